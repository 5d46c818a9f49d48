"""Files called model.keras that a stranger may have made; what runs their code would make a file, the marker."""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cache_cases import MARKER

SHAPE, CLASSES = (8, 8, 3), 3


def zipped(members: dict[str, bytes | str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def saved(path: Path, *layers: Any) -> None:
    """A whole model of the right shapes with these layers in it."""
    import keras

    images = keras.Input(SHAPE, dtype="uint8")
    found = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    for layer in layers:
        found = layer(found)
    keras.Model(images, keras.layers.Dense(CLASSES, activation="sigmoid")(found)).save(path)


def with_lambda(path: Path, marker: Path) -> None:
    """A Lambda layer, whose code is in the file and makes the marker in the current folder where it runs."""
    import keras

    touch = lambda values: (__import__("pathlib").Path("marker").touch(), values)[1]  # noqa: E731
    saved(path, keras.layers.Lambda(touch))
    Path(MARKER).unlink(missing_ok=True)


def configured(layer: Any) -> Callable[[Path, Path], object]:
    """What writes a file whose config names something else than a model."""

    def make(path: Path, marker: Path) -> None:
        text = json.dumps(layer).replace(MARKER, str(marker))
        path.write_bytes(zipped({"metadata.json": "{}", "config.json": text, "model.weights.h5": b""}))

    return make


def changed(member: str, change: Callable[[bytes], bytes]) -> Callable[[Path, Path], object]:
    """What changes one member of a whole model."""

    def make(path: Path, marker: Path) -> None:
        saved(path)
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        path.write_bytes(zipped({**members, member: change(members.get(member, b""))}))

    return make


def _outside(path: Path, marker: Path) -> None:
    """Members that would lie outside of where they are unpacked."""
    saved(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"../{MARKER}", "x")
        archive.writestr(f"assets/../../{MARKER}", "x")
        archive.writestr(str(marker), "x")


def _legacy(path: Path, marker: Path) -> None:
    """A model in the older format, an HDF5 file."""
    saved(path.with_suffix(".h5"))
    path.with_suffix(".h5").rename(path)


def _linked(path: Path, marker: Path) -> None:
    """Weights that lie in another file, which HDF5 would read."""
    import h5py

    saved(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    file = io.BytesIO(members["model.weights.h5"])
    with h5py.File(file, "a") as weights:
        group = weights["layers/dense/vars"]
        shape = group["0"].shape
        del group["0"]
        group.create_dataset("0", shape, "f4", external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)])
    path.write_bytes(zipped({**members, "model.weights.h5": file.getvalue()}))


def _function(module: str, name: str) -> dict[str, Any]:
    return {"class_name": "function", "config": name, "module": module, "registered_name": name}


def _lambda(function: Any, **arguments: Any) -> dict[str, Any]:
    config = {"name": "x", "function": function, "arguments": arguments, "output_shape": [3]}
    return {"class_name": "Lambda", "module": "keras.layers", "config": config, "registered_name": None}


def _sequence(*layers: Any) -> dict[str, Any]:
    config = {"name": "x", "layers": list(layers), "build_input_shape": [None, *SHAPE]}
    return {"class_name": "Sequential", "module": "keras", "config": config, "registered_name": None}


TOUCH = f"touch {MARKER}"
CODE = {"class_name": "__lambda__", "config": {"code": "4wAAAAA=", "defaults": None, "closure": None}}
CASES: dict[str, Callable[[Path, Path], object]] = {
    "a Lambda layer": with_lambda,
    "a Lambda layer of a system call": configured(_sequence(_lambda(_function("os", "system")))),
    "a Lambda layer with an argument": configured(_sequence(_lambda(_function("subprocess", "call"), args=TOUCH))),
    "a Lambda layer of marshalled code": configured(_sequence(_lambda(CODE))),
    "a system call instead of a model": configured(_function("os", "system")),
    "an object instead of a model": configured(
        {"class_name": "Popen", "module": "subprocess", "config": {"args": ["touch", MARKER]}, "registered_name": None}
    ),
    "an older object instead of a model": configured({"class_name": "os>system", "config": {"command": TOUCH}}),
    "a pickle instead of a config": changed("config.json", lambda _: b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x05posix"),
    "a config that is empty": changed("config.json", lambda _: b""),
    "a config that is a list": changed("config.json", lambda _: b"[]"),
    "a config of deep nesting": changed("config.json", lambda _: b"[" * 100_000),
    "weights that are empty": changed("model.weights.h5", lambda _: b""),
    "weights that are cut off": changed("model.weights.h5", lambda data: data[: len(data) // 2]),
    "weights of another format": changed("model.weights.h5", lambda _: b"not HDF5" * 100),
    "weights that lie elsewhere": _linked,
    "no zip": lambda path, marker: path.write_bytes(b"not a model"),
    "an empty file": lambda path, marker: path.write_bytes(b""),
    "a folder": lambda path, marker: path.mkdir(),
    "nothing": lambda path, marker: None,
    "an empty zip": lambda path, marker: path.write_bytes(zipped({})),
    "the end of a zip": lambda path, marker: path.write_bytes(
        b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 9, 9, 99, 99, 0)
    ),
    "a model of the older format": _legacy,
}
READ: dict[str, Callable[[Path, Path], object]] = {
    "members outside of the archive": _outside,
    "metadata that is no JSON": changed("metadata.json", lambda _: b"\xff"),
    "one member more": changed("note.txt", lambda _: b"x"),
}
