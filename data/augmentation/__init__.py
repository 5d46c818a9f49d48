"""New images of training images, on disk and on the fly."""
