"""From files to batches: labels, images, splits and caches."""
