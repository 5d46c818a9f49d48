"""Batches of a cache: which images, in which order, with which augmentation."""
