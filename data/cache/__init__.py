"""The cache: prepared pixels, labels and index in one folder."""
