"""The labels of images: from tables and folders to a matrix of 0, 1 and unknown."""
