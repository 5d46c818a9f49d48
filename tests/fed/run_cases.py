"""What may have happened to the files of a run, with what is said of each."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from cache_cases import ARRAYS, MARKER, NONSENSE, Damage, pickled
from feeding import Marker

NAMES = ["x", "y", "z"]
CONFIG, THRESHOLDS, SCORES = "config.json", "thresholds.json", "scores/val.npz"


def edited(file: str, path: tuple[str, ...], value: Any) -> Callable[[Path], object]:
    """What writes another value into a JSON file."""

    def do(folder: Path) -> None:
        content = json.loads((folder / file).read_text(encoding="utf-8"))
        inner = content
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        (folder / file).write_text(json.dumps(content), encoding="utf-8")

    return do


def replaced(file: str, data: bytes, said: str | None = "") -> Damage:
    return Damage(lambda folder: (folder / file).write_bytes(data), said or file)


def scores(**changes: Any) -> Callable[[Path], object]:
    """What changes some of the arrays of the validation scores; None leaves one out."""

    def do(folder: Path) -> None:
        with np.load(folder / SCORES, allow_pickle=False) as stored:
            arrays = {**stored, **changes}
        np.savez(
            folder / SCORES, allow_pickle=True, **{name: each for name, each in arrays.items() if each is not None}
        )

    return do


def _objects(name: str) -> Callable[[Path], object]:
    """What puts pickled objects, which make a file, in place of one of the arrays."""

    def do(folder: Path) -> None:
        scores(**{name: np.array([Marker(folder.parent / MARKER)] * 12, dtype=object)})(folder)

    return do


def _bare_pickle(folder: Path) -> None:
    (folder / SCORES).write_bytes(pickled(folder.parent / MARKER))


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def _spoilt() -> bytes:
    """A zip whose packed bytes are wrong in the middle."""
    data = zipped({"ids.npy": bytes(range(256)) * 9}, zipfile.ZIP_DEFLATED)
    return data[:60] + bytes(20) + data[80:]


def _member(flags: bytes, method: bytes) -> bytes:
    """A zip whose directory says these flags and this way of packing."""
    head = b"PK\1\2\x14\3\x14\0"
    return zipped({"ids.npy": b"x"}).replace(head + bytes(4), head + flags + method)


def _tree(parents: list[Any], classes: int) -> Damage:
    return Damage(edited(CONFIG, ("cache", "hierarchy"), {"parents": parents, "classes": classes}), CONFIG)


PATHS = (
    ("run_format",), ("finished",), ("cache",), ("config",), ("warnings",), ("shown_rates",), ("versions",),
    ("soft_labels",), ("git_commit",), ("created",), ("argv",), ("seed",), ("cache", "class_names"),
    ("cache", "preparation"), ("cache", "counts"), ("cache", "counts", "train"),
    ("cache", "counts", "train", "positives"), ("cache", "fingerprint"), ("cache", "giveaways"), ("cache", "parted"),
    ("cache", "hierarchy"), ("cache", "all_class_names"), ("config", "loss"), ("config", "extra_losses"),
    ("config", "augmented"), ("config", "cache_dir"), ("config", "score_scales"), ("config", "score_views"),
    ("config", "run_dir"), ("config", "label_smoothing"), ("config", "mixing"),
)  # fmt: skip
IN_THRESHOLDS = (
    ("thresholds",), ("thresholds", "x"), ("at_least_one",), ("runs",), ("digest",), ("method",), ("held_out",),
    ("in_sample",), ("objective",), ("classes_without_positives",), ("config",),
)  # fmt: skip
SHAPE = (12, 3)
CASES = {
    **{
        f"{what} for {' '.join(path)}": Damage(edited(CONFIG, path, value), None)
        for path in PATHS
        for what, value in NONSENSE.items()
    },
    **{
        f"{what} for {' '.join(path)} of the thresholds": Damage(edited(THRESHOLDS, path, value), None)
        for path in IN_THRESHOLDS
        for what, value in NONSENSE.items()
    },
    **{
        f"{name} instead of {member}": replaced(SCORES, zipped({f"{member}.npy": data}))
        for member in ("scores", "ids")
        for name, data in ARRAYS.items()
    },
    **{f"pickled {name}": Damage(_objects(name), SCORES) for name in ("ids", "scores", "labels", "groups", "mark")},
    **{f"no {name}": Damage(scores(**{name: None}), SCORES) for name in ("ids", "scores", "labels")},
    **{
        f"{file} is {what}": replaced(file, data)
        for file in (CONFIG, SCORES)
        for what, data in {"empty": b"", "text": b"not JSON", "binary": bytes(range(256)), "a zip": zipped({"x": b""}),
                           "deep": b"[" * 100_000, "a list": b"[]"}.items()
    },
    "a pickle instead of scores": Damage(_bare_pickle, SCORES),
    "scores of another shape": Damage(scores(scores=np.zeros((12, 4), np.float32)), SCORES),
    "scores of one dimension": Damage(scores(scores=np.zeros(36, np.float32)), SCORES),
    "labels of another shape": Damage(scores(labels=np.zeros((11, 3), np.uint8)), SCORES),
    "ids that are too few": Damage(scores(ids=np.array(["a"])), SCORES),
    "ids that are one text": Damage(scores(ids=np.array("a")), SCORES),
    "ids that are numbers": Damage(scores(ids=np.arange(12)), SCORES),
    "scores of text": Damage(scores(scores=np.full(SHAPE, "x")), SCORES),
    "scores of NaN": Damage(scores(scores=np.full(SHAPE, np.nan, np.float32)), "val"),
    "scores beyond 1": Damage(scores(scores=np.full(SHAPE, 7, np.float32)), None),
    "scores of infinity": Damage(scores(scores=np.full(SHAPE, np.inf, np.float32)), None),
    "scores that are complex": Damage(scores(scores=np.full(SHAPE, 1j)), SCORES),
    "scores that are whole numbers": Damage(scores(scores=np.ones(SHAPE, np.int64)), SCORES),
    "labels of 7": Damage(scores(labels=np.full(SHAPE, 7, np.uint8)), SCORES),
    "labels of text": Damage(scores(labels=np.full(SHAPE, "1")), SCORES),
    "labels of fractions": Damage(scores(labels=np.full(SHAPE, 0.5)), SCORES),
    "a mark of another cache": Damage(scores(mark=np.array("other")), SCORES),
    "a mark of numbers": Damage(scores(mark=np.arange(3)), SCORES),
    "groups of another shape": Damage(scores(groups=np.array(["a"])), SCORES),
    "scores packed in a way that nobody knows": replaced(SCORES, _member(b"\0\0", b"\x63\0")),
    "scores under a password": replaced(SCORES, _member(b"\1\0", b"\0\0")),
    "scores packed and spoilt": replaced(SCORES, _spoilt()),
    "a class name twice": Damage(edited(CONFIG, ("cache", "class_names"), ["x", "y", "x"]), CONFIG),
    "a class name less": Damage(edited(CONFIG, ("cache", "class_names"), ["x", "y"]), CONFIG),
    "class names that are numbers": Damage(edited(CONFIG, ("cache", "class_names"), [1, 2, 3]), CONFIG),
    "half a letter in a class name": Damage(edited(CONFIG, ("cache", "class_names"), ["x", "y", "\ud800"]), CONFIG),
    "another class's name": Damage(edited(CONFIG, ("cache", "class_names"), ["x", "y", "w"]), ""),
    "a run format to come": Damage(edited(CONFIG, ("run_format",), 2), "run format 2"),
    "an unfinished run": Damage(edited(CONFIG, ("finished",), False), "is not finished"),
    "a command that is no text": Damage(edited(CONFIG, ("argv",), [1, None]), None),
    "a threshold too few": Damage(edited(THRESHOLDS, ("thresholds",), {"x": 0.5, "y": 0.5}), THRESHOLDS),
    "a threshold of NaN": Damage(edited(THRESHOLDS, ("thresholds", "x"), float("nan")), THRESHOLDS),
    "a threshold of infinity": Damage(edited(THRESHOLDS, ("thresholds", "x"), float("inf")), THRESHOLDS),
    "a threshold of 2": Damage(edited(THRESHOLDS, ("thresholds", "x"), 2), THRESHOLDS),
    "a tree that is a circle": _tree([1, 0, 0], 3),
    "a tree with a parent beyond": _tree([-1, 99, -1], 3),
    "a tree of more classes": _tree([-1, -1, -1], 9),
    "a tree of fractions": _tree([-1, 0.0, 0.0], 3),
}  # fmt: skip
