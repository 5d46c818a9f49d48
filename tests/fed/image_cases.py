"""Image files of every kind, whole, damaged and hostile, with what each is to become."""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

SIDE = 16
MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16",
         "I;16B", "F")  # fmt: skip
FORMATS = {"PNG": "png", "JPEG": "jpg", "TIFF": "tif", "GIF": "gif", "BMP": "bmp", "WEBP": "webp"}
ORIENTATION = 0x0112


@dataclass(frozen=True)
class Picture:
    """A file and what comes of it.

    Attributes:
        make: makes the file, or what else stands under its name.
        name: of the file.
        said: part of the reason why it is refused; empty where it is read.
        pixels: (SIDE, SIDE, 3) uint8 that it must become; None for what Pillow makes of it.
        either: whether it may be refused or read, but never with other pixels than those of the whole file.
    """

    make: Callable[[Path], object]
    name: str = "x.png"
    said: str = ""
    pixels: np.ndarray | None = None
    either: bool = False


def content(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def holding(data: bytes, *rest, **more) -> Picture:
    return Picture(lambda path: path.write_bytes(data), *rest, **more)


def textured(seed: int = 0, width: int = SIDE, height: int = SIDE) -> Image.Image:
    """Blocks of colour, in which no turn looks like another, and which a JPEG keeps."""
    colours = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((width, height), Image.Resampling.NEAREST)


def in_mode(mode: str) -> Image.Image:
    values = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    if mode.startswith("I;16"):
        return Image.frombytes(mode, (SIDE, SIDE), (values * 257).astype("<u2" if mode == "I;16" else ">u2").tobytes())
    if mode in ("I", "F"):
        return Image.fromarray((values * 100).astype(np.int32 if mode == "I" else np.float32))
    image = textured().convert("RGBA")
    image.putalpha(Image.fromarray(values.astype(np.uint8)))
    if mode in ("LA", "La", "PA"):
        return image.convert("LA").convert(mode)
    if mode == "LAB":
        from PIL import ImageCms

        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(image.convert("RGB"), *profiles, outputMode="LAB")
    return image.convert(mode) if mode in ("RGBA", "RGBa") else image.convert("RGB").convert(mode)


def _in_modes() -> dict[str, Picture]:
    """Each mode in each format that Pillow can save it in; the colour space LAB, 32 bits and fractions are refused."""
    refused = {"LAB": "colour space", "HSV": "colour space", "I": "32-bit", "F": "floating-point"}
    made = {}
    for kind, extension in FORMATS.items():
        for mode in MODES:
            try:
                data = content(in_mode(mode), kind)
            except (OSError, KeyError, ValueError):
                continue
            with Image.open(io.BytesIO(data)) as image:
                found = image.mode
            said = refused.get(found, "") if kind == "TIFF" else ""
            # What the fourth band is, such a TIFF does not say.
            said = "has 4 channels" if (kind, mode) == ("TIFF", "RGBX") else said
            made[f"{mode} in {kind}"] = holding(data, f"x.{extension}", said)
    return made


def _turned() -> dict[str, Picture]:
    """Each orientation, and numbers that are none, in each format that carries EXIF."""
    made = {}
    for kind in ("PNG", "JPEG", "TIFF", "WEBP"):
        options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
        for turn in (*range(1, 9), 0, 9, 65535):
            exif = Image.Exif()
            exif[ORIENTATION] = turn
            made[f"turned by {turn} in {kind}"] = holding(
                content(textured(turn), kind, exif=exif, **options), f"x.{FORMATS[kind]}"
            )
    return made


def _truncated() -> dict[str, Picture]:
    """Files that end after each tenth."""
    made = {}
    for kind, extension in FORMATS.items():
        data = content(textured(1, 64, 64) if kind != "GIF" else in_mode("P"), kind)
        for tenth in range(10):
            name = f"{tenth} tenths of a {kind}"
            made[name] = holding(data[: len(data) * tenth // 10], f"x.{extension}", "is" if not tenth else "x.")
    return made


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes, bits: int = 8, colour: int = 0, *more: bytes) -> bytes:
    """A PNG whose header and pixels need not fit."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def animated(kind: str) -> bytes:
    frames = [textured(seed) for seed in range(3)]
    return content(frames[0], kind, save_all=True, append_images=frames[1:])


def _flipped() -> dict[str, Picture]:
    """PNGs with a wrong byte at each tenth: what their checksums find is refused, and never shown wrongly."""
    data, whole = content(textured(1), "PNG"), np.asarray(textured(1))
    made = {}
    for tenth in range(1, 10):
        wrong = bytearray(data)
        wrong[len(data) * tenth // 10] ^= 0x55
        made[f"a wrong byte after {tenth} tenths"] = holding(bytes(wrong), said="x.png", pixels=whole, either=True)
    return made


GRAY = np.asarray(textured().convert("L").convert("RGB"))
WHITE = np.full((SIDE, SIDE, 3), 255, np.uint8)
BLACK = bytes(SIDE * (SIDE + 1))  # the rows of a gray PNG, each behind its filter
BOMB = "decompression bomb"
NO_IMAGE = "is not an image"
TEXT_BOMB = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(100_000_000)))
PROFILE_BOMB = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(100_000_000)))
GIF_BOMB = b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02L\x01\0;"
FOREIGN = {
    "text": b"not an image",
    "HTML": b"<html>Sign in</html>",
    "PDF": b"%PDF-1.7\n1 0 obj\n",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "a zip": b"PK\x03\x04" + bytes(100),
    "a pickle": b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x05posix",
    "a program": b"\x7fELF\x02\x01\x01" + bytes(100),
    "zeros": bytes(10_000),
    "the first four bytes of a PNG": b"\x89PNG",
    "an ICO": content(textured(), "ICO"),
    "a PPM": content(textured(), "PPM"),
    "a JPEG 2000": content(textured(), "JPEG2000"),
    "a TGA": content(textured(), "TGA"),
}


def _tiff(array: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def _loop() -> bytes:
    """A TIFF whose page comes after itself."""
    data = bytearray(content(textured().convert("L"), "TIFF"))
    place = int.from_bytes(data[4:8], "little")
    end = place + 2 + 12 * int.from_bytes(data[place : place + 2], "little")
    data[end : end + 4] = data[4:8]
    return bytes(data)


def _palette(alpha: bool) -> Image.Image:
    """A picture of 256 colours, of which each has its own opacity, or one is transparent."""
    image = in_mode("P")
    image.putpalette(np.random.default_rng(3).integers(0, 256, 768, dtype=np.uint8).tobytes())
    image.info["transparency"] = bytes(range(256)) if alpha else 7
    return image


ODD = {
    "a palette with opacities": holding(content(_palette(True), "PNG", transparency=bytes(range(256)))),
    "a palette with a transparent colour": holding(content(_palette(False), "PNG", transparency=7)),
    "a palette with a transparent colour in GIF": holding(content(_palette(False), "GIF", transparency=7), "x.gif"),
    "16 bits with a transparent value": holding(content(in_mode("I;16"), "PNG", transparency=257)),
    "a JPEG in passes": holding(content(textured(5), "JPEG", progressive=True), "x.jpg"),
    "a profile that is none": holding(content(textured(5), "PNG", icc_profile=b"nonsense")),
    "EXIF that is none": holding(content(textured(5), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), "x.jpg"),
    **{f"{name} called a PNG": holding(data, said=NO_IMAGE) for name, data in FOREIGN.items()},
    **{
        f"a {kind} called x.{extension}": holding(content(textured(5), kind), f"x.{extension}")
        for kind in FORMATS
        for extension in ("png", "tif", "jpg")
        if FORMATS[kind] != extension
    },
    **{
        f"several frames in {kind}": holding(animated(kind), f"x.{FORMATS[kind]}", "3 frames")
        for kind in ("GIF", "WEBP", "PNG")
    },
    "several pages in TIFF": holding(animated("TIFF"), "x.tif", "3"),
    "an extension in capitals": holding(content(textured(5), "PNG"), "x.PNG"),
    "zero bytes": holding(b"", said="is empty"),
    "1 × 1": holding(content(Image.new("RGB", (1, 1), "white"), "PNG"), pixels=WHITE),
    "1 × 20,000": holding(content(Image.new("RGB", (1, 20_000), "white"), "PNG"), pixels=WHITE),
    "20,000 × 1": holding(content(Image.new("RGB", (20_000, 1), "white"), "PNG"), pixels=WHITE),
    "65,500 × 1 in JPEG": holding(content(Image.new("L", (65_500, 1), "white"), "JPEG"), "x.jpg", pixels=WHITE),
    "20,000 × 1 in TIFF": holding(content(Image.new("I;16", (20_000, 1), 65535), "TIFF"), "x.tif", pixels=WHITE),
    "0 × 0": holding(png(0, 0, b""), said="x.png"),
    "a header of 100,000 × 100,000": holding(png(100_000, 100_000, b"\0"), said=BOMB),
    "a header of 2³² × 2³²": holding(png(2**32 - 1, 2**32 - 1, b"\0"), said=BOMB),
    "a header of 100,000 × 100,000 and 16 bits": holding(png(100_000, 100_000, b"\0", 16, 2), said=BOMB),
    "10,000 × 10,000 bits": holding(png(10_000, 10_000, bytes(1251 * 10_000), 1), said=BOMB),
    "more pixels than the header says": holding(png(SIDE, SIDE, bytes(50_000_000)), pixels=WHITE * 0),
    "fewer pixels than the header says": holding(png(SIDE, SIDE, bytes(10)), said="x.png"),
    "a bomb in the text of a PNG": holding(png(SIDE, SIDE, BLACK, 8, 0, TEXT_BOMB), said="cannot be decoded"),
    "a bomb in the profile of a PNG": holding(png(SIDE, SIDE, BLACK, 8, 0, PROFILE_BOMB), said="cannot be decoded"),
    "a bomb in a GIF": holding(GIF_BOMB, "x.gif", BOMB),
    "a bomb in a BMP": holding(
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 100, 0, 54, 40, 50_000, -50_000, 1, 24, 0, 0, 0, 0, 0, 0), "x.bmp", BOMB
    ),
    "a palette without colours": holding(png(SIDE, SIDE, bytes(SIDE * 17), 8, 3), said="x.png"),
    "a PNG of 3 bits": holding(png(SIDE, SIDE, bytes(SIDE * 17), 3), said="x.png"),
    "a PNG of an unknown colour": holding(png(SIDE, SIDE, bytes(SIDE * 17), 8, 5), said="x.png"),
    "a TIFF of fractions": holding(_tiff(np.zeros((SIDE, SIDE), np.float32)), "x.tif", "holds floating-point values"),
    "a TIFF of doubles": holding(_tiff(np.zeros((SIDE, SIDE), np.float64)), "x.tif", "holds floating-point values"),
    "a TIFF of NaN": holding(_tiff(np.full((SIDE, SIDE), np.nan, np.float32)), "x.tif", "holds floating-point values"),
    "a TIFF of complex numbers": holding(_tiff(np.zeros((SIDE, SIDE), np.complex64)), "x.tif", "floating-point"),
    "a TIFF of signed values": holding(_tiff(np.zeros((SIDE, SIDE), np.int16)), "x.tif", "holds signed values"),
    "a TIFF of 32 bits": holding(_tiff(np.zeros((SIDE, SIDE), np.uint32)), "x.tif", "is a 32-bit image"),
    "a TIFF of 64 bits": holding(_tiff(np.zeros((SIDE, SIDE), np.uint64)), "x.tif", "is a 64-bit image"),
    "a TIFF of 5 axes": holding(_tiff(np.zeros((2, 2, 2, SIDE, SIDE), np.uint8)), "x.tif", "x.tif"),
    "a TIFF whose page comes after itself": holding(_loop(), "x.tif", pixels=GRAY),
    "a header of a TIFF and nothing else": holding(b"II*\0\x08\0\0\0", "x.tif", "x.tif"),
    "a TIFF that points to its end": holding(b"II*\0\xff\xff\xff\xff", "x.tif", "x.tif"),
    "a BigTIFF that points far": holding(b"II+\0\x08\0\0\0" + b"\xff" * 8, "x.tif", "x.tif"),
}  # fmt: skip


CASES = {**_in_modes(), **_turned(), **_truncated(), **_flipped(), **ODD}
