"""What may have happened to the files of a cache, with what is said of each."""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from feeding import Marker

NONSENSE = {
    "nothing": None, "a text": "x", "a number": -1, "a fraction": 0.5, "a list": [], "a list of lists": [[]],
    "a dict": {}, "yes": True,
}  # fmt: skip
MARKER = "marker"  # a file that no case may make
LABELS, PIXELS, INDEX, DESCRIPTION = "labels.npy", "images-00000.npy", "index.csv", "cache.json"


@dataclass(frozen=True)
class Damage:
    """What is done to a cache.

    Attributes:
        do: gets the folder of the cache.
        said: part of the message; None where the file may as well be read.
    """

    do: Callable[[Path], object]
    said: str | None


def npy(shape: Any, dtype: Any = "|u1", data: bytes = b"", order: Any = False, version: int = 1) -> bytes:
    """A file of NumPy's whose head need not be true."""
    head = f"{{'descr': {dtype!r}, 'fortran_order': {order!r}, 'shape': {shape!r}, }}\n".encode()
    return with_head(head, data, version)


def with_head(head: bytes, data: bytes = b"", version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(head))
    return b"\x93NUMPY" + bytes([version, 0]) + length + head + data


def pickled(marker: Path) -> bytes:
    """An array of objects, of which the unpickled one makes a file."""
    file = io.BytesIO()
    np.save(file, np.array([Marker(marker)], dtype=object), allow_pickle=True)
    return file.getvalue()


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("labels.npy", npy((1,), data=b"1"))
    return file.getvalue()


ARRAYS = {  # that are no array of a cache; a float array and one of another shape are beside them
    "empty": b"",
    "text": b"not an array",
    "a zip": _zip(),
    "half a zip": _zip()[:40],
    "a bare pickle": b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x05posix",
    "floats": npy((9, 3), "<f8", bytes(9 * 3 * 8)),
    "signed": npy((9, 3), "|i1", bytes(27)),
    "texts": npy((9, 3), "<U1", bytes(9 * 3 * 4)),
    "dates": npy((9, 3), "<M8[s]", bytes(9 * 3 * 8)),
    "fields": npy((9,), [("a", "|u1"), ("b", "|u1"), ("c", "|u1")], bytes(27)),
    "flat": npy((27,), data=bytes(27)),
    "deep": npy((9, 3, 1), data=bytes(27)),
    "a single number": npy((), data=b"1"),
    "too few": npy((8, 3), data=bytes(24)),
    "none": npy((0, 3)),
    "more than are there": npy((9, 3), data=bytes(26)),
    "more than any memory": npy((10**13, 3)),
    "more than any number": npy((10**30, 3)),
    "less than none": npy((-9, 3), data=bytes(27)),
    "a shape of text": npy("99", data=bytes(27)),
    "a shape of fractions": npy((9.0, 3.0), data=bytes(27)),
    "an unknown type": npy((9, 3), "|q9", bytes(27)),
    "a type of nothing": npy((9, 3), None, bytes(27)),
    "a version to come": npy((9, 3), data=bytes(27), version=9),
    "a head that is cut off": with_head(b"{'descr': '|u1', 'fortran")[:-9],
    "a head without its end": with_head(b"{'descr': '|u1', 'fortran_order': (\n"),
    "a head that is a call": with_head(b"__import__('os').system('touch marker')\n"),
    "a head that is a list": with_head(b"[1, 2, 3]\n"),
    "a head of brackets": with_head(b"(" * 5000 + b"\n"),
    "a head of other letters": with_head(b"\xff\xfe{'descr'\n"),
    "a head without a shape": with_head(b"{'descr': '|u1', 'fortran_order': False}\n"),
    "a head with unfit keys": with_head(b"{[]: 1}\n"),
    "a head indented": with_head(b"  x\n y\n"),
}


def replaced(name: str, data: bytes, said: str | None) -> Damage:
    return Damage(lambda folder: (folder / name).write_bytes(data), said)


def edited(**changes: Any) -> Callable[[Path], object]:
    """What writes other values into cache.json; those of a value that is a dict itself are named NAME__KEY."""

    def do(folder: Path) -> None:
        path = folder / DESCRIPTION
        meta = json.loads(path.read_text(encoding="utf-8"))
        for name, value in changes.items():
            *above, last = name.split("__")
            inner = meta
            for key in above:
                inner = inner[key]
            inner[last] = value
        path.write_text(json.dumps(meta), encoding="utf-8")

    return do


def without(name: str) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        meta = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        del meta[name]
        (folder / DESCRIPTION).write_text(json.dumps(meta), encoding="utf-8")

    return do


def rewritten(change: Callable[[list[str]], list[str]]) -> Callable[[Path], object]:
    """What changes the lines of index.csv."""

    def do(folder: Path) -> None:
        path = folder / INDEX
        path.write_text("\n".join(change(path.read_text(encoding="utf-8").splitlines())) + "\n", encoding="utf-8")

    return do


def _cut(name: str, tenth: int) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) * tenth // 10])

    return do


def _folder(name: str) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return do


FIELDS = ("class_names", "channels", "image_shape", "preparation", "mean", "std", "counts", "fingerprint", "rows",
          "white_level", "format_version", "versions", "giveaways", "parted", "config", "preparation__size",
          "preparation__resize", "preparation__channels", "preparation__depth", "preparation__white_level",
          "preparation__axes", "counts__train", "counts__train__positives", "counts__train__known")  # fmt: skip
CASES = {
    **{f"{name} instead of labels": replaced(LABELS, data, "label") for name, data in ARRAYS.items()},
    **{f"{name} instead of pixels": replaced(PIXELS, data, "image") for name, data in ARRAYS.items()},
    **{
        f"pickled objects in {name}": Damage(
            lambda folder, name=name: (folder / name).write_bytes(pickled(folder.parent / MARKER)), name
        )
        for name in (LABELS, PIXELS)
    },
    **{
        f"{tenth} tenths of {name}": Damage(_cut(name, tenth), "")
        for name in (LABELS, PIXELS, INDEX, DESCRIPTION)
        for tenth in (1, 3, 5, 7, 9)
    },
    **{
        f"{name} is gone": Damage(lambda folder, name=name: (folder / name).unlink(), "")
        for name in (LABELS, PIXELS, INDEX, DESCRIPTION)
    },
    **{f"a folder instead of {name}": Damage(_folder(name), name) for name in (LABELS, PIXELS, INDEX)},
    **{f"no {name}": Damage(without(name), DESCRIPTION) for name in FIELDS[:8]},
    **{
        f"{what} for {name.replace('__', ' ')}": Damage(edited(**{name: value}), None)
        for name in FIELDS
        for what, value in NONSENSE.items()
    },
    "a format version to come": Damage(edited(format_version=2), DESCRIPTION),
    "no JSON": replaced(DESCRIPTION, b"not JSON", DESCRIPTION),
    "JSON of another encoding": replaced(DESCRIPTION, '{"é": 1}'.encode("latin-1"), DESCRIPTION),
    "a list": replaced(DESCRIPTION, b"[]", DESCRIPTION),
    "deep nesting": replaced(DESCRIPTION, b"[" * 100_000, DESCRIPTION),
    "a number without end": replaced(DESCRIPTION, b'{"format_version": ' + b"9" * 10_000 + b"}", DESCRIPTION),
    "class names that lack one": Damage(edited(class_names=["x", "y"]), DESCRIPTION),
    "a class name twice": Damage(edited(class_names=["x", "y", "x"]), DESCRIPTION),
    "class names that are numbers": Damage(edited(class_names=[1, 2, 3]), DESCRIPTION),
    "half a letter in a class name": Damage(edited(class_names=["x", "y", "\ud800"]), DESCRIPTION),
    "a row too few": Damage(rewritten(lambda lines: lines[:-1]), "index"),
    "a row too many": Damage(rewritten(lambda lines: [*lines, lines[-1]]), "index.csv, line 11"),
    "a row twice": Damage(rewritten(lambda lines: [*lines[:-1], lines[1]]), INDEX),
    "a row that is short": Damage(rewritten(lambda lines: [*lines[:-1], "x,train"]), f"{INDEX}, line 10"),
    "a row that is long": Damage(rewritten(lambda lines: [*lines[:-1], lines[-1] + ",x"]), f"{INDEX}, line 10"),
    "an unknown split": Damage(rewritten(lambda lines: [line.replace("train", "dev") for line in lines]), INDEX),
    "a fold in one row": Damage(rewritten(lambda lines: [*lines[:-1], "x,train,1,,p,8,8,0,s"]), f"{INDEX}, line 10"),
    "another order of columns": Damage(rewritten(lambda lines: [lines[0][::-1], *lines[1:]]), INDEX),
    "no rows": Damage(rewritten(lambda lines: lines[:1]), INDEX),
    "a quote left open": Damage(rewritten(lambda lines: [*lines[:-1], '"' + lines[-1]]), INDEX),
    "a NUL": Damage(rewritten(lambda lines: [*lines[:-1], "\0" + lines[-1]]), INDEX),
    "10 MB in a row": Damage(rewritten(lambda lines: [*lines[:-1], "x" * 10_000_000 + lines[-1]]), INDEX),
    "an index of another encoding": replaced(INDEX, b"\xff\xfe\xe9", INDEX),
}  # fmt: skip
