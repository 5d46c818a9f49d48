"""What may stand in a folder in place of an image, and names that files may have."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

from image_cases import NO_IMAGE, WHITE, Picture, content, textured


def _linked(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


def _fifo_beside(path: Path) -> None:
    os.mkfifo(path.with_name(".fifo"))
    path.symlink_to(".fifo")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        # A socket's path must be short.
        here = os.open(path.parent, os.O_RDONLY)
        made.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)


PLACES = {
    "a folder": Picture(Path.mkdir, said="x.png"),
    "a pipe": Picture(os.mkfifo, said="is not a file"),
    "a link to a pipe": Picture(_fifo_beside, said="is not a file"),
    "a socket": Picture(_socket, said="is not a file"),
    "a link to a device without end": Picture(_linked("/dev/zero"), said="is not a file"),
    "a link to a device of nothing": Picture(_linked("/dev/null"), said="is not a file"),
    "a link to nothing": Picture(_linked("nothing.png"), said="does not exist"),
    "a link to itself": Picture(_linked("x.png"), said="x.png"),
    "a link to an image elsewhere": Picture(_linked("../outside/white.png"), pixels=WHITE),
    "a link to text elsewhere": Picture(_linked("/etc/passwd"), said=NO_IMAGE),
    "a link to a file of the system": Picture(_linked("/proc/self/mem"), said="x.png"),
    "a link to the folder it lies in": Picture(_linked("."), said="x.png"),
}


def _named(name: str | bytes) -> Picture:
    """A good image under some name."""
    return Picture(lambda path: path.write_bytes(content(textured(6), "PNG")), name)


def _beside(name: bytes, said: str) -> Picture:
    """A good image and one of a bad name."""

    def make(path: Path) -> None:
        textured(6).save(path)
        textured(7).save(path.with_name(os.fsdecode(name)), "PNG")

    return Picture(make, said=said)


NAMES = {
    **{
        f"a file called {name}": _named(name)
        for name in ("-rf.png", "%s%n.png", "{0}.png", "$(reboot).png", "a'b.png", "\U0001f9ec.png", "\u202egnp.png",
                     "<img src=x onerror=alert(1)>.png", "[bold]x.png", "a b  c.png", "e" * 250 + ".png", "CON.png")
    },
    "a file with a line break in its name": _beside(b"a\nb.png", "control characters in their names"),
    "a file with an escape in its name": _beside(b"\x1b[2Jb.png", "control characters in their names"),
    "a file with a name in Latin-1": _beside(b"\xe9.png", "names that are not UTF-8"),
    "a hidden file": Picture(lambda path: path.write_bytes(b""), ".x.png", "no such image"),
    "a file without extension": Picture(lambda path: path.write_bytes(b""), "x", "no such image"),
}  # fmt: skip
CASES = {**PLACES, **NAMES}
