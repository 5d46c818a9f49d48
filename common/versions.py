"""The versions of the packages that decide which pixels a file becomes."""

import functools
import importlib.metadata
from contextlib import suppress

# Other versions of these may give other pixels.
DECODERS = ("pillow", "tifffile", "imagecodecs", "opencv-python-headless")


@functools.cache
def decoder_versions() -> dict[str, str]:
    """The version of each package that takes part in turning files into pixels, empty where none is said."""
    versions = dict.fromkeys(DECODERS, "")
    for package in DECODERS:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions
