"""Images that cannot be used: the error, and the sizes that are refused."""

# Pillow's own limit, a third of a gigabyte of RGB pixels.
MOST_PIXELS = 89_478_485


class ImageError(ValueError):
    """An image that cannot be used. The message is the reason in words; the caller names the file."""


def refuse_size(width: int, height: int, planes: int = 1) -> None:
    """Refuse an image without pixels, or with more than memory should be given for."""
    if width < 1 or height < 1:
        raise ImageError(f"has no pixels ({width} × {height})")
    if width * height * planes > MOST_PIXELS:
        raise ImageError(too_large(f"{width} × {height}" + (f" × {planes}" if planes > 1 else "")))


def too_large(pixels: str) -> str:
    return f"has {pixels} pixels: a decompression bomb, or to be cut into tiles first (limit {MOST_PIXELS:,} pixels)"
