"""Labels given by folders: image_dir/CLASS/…/image, below train, val and test where the set is divided already."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import numpy as np

from common.errors import Faults, InputError
from common.files import sha1_of
from data.images.image_files import find_images
from data.labels.label_forms import same_but_for_case
from data.labels.labels import LabelTable
from data.tables.spreadsheet import clean, quoted, read_class_names, some

# What people call the folders of a set that is divided already.
SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
ONE_OR_ALL = "keep one of them, or give it all these classes with --duplicates union"


def read_class_folders(
    image_dir: Path, classes_file: Path | None, duplicates: Literal["error", "union"], faults: Faults
) -> LabelTable:
    """Take the name of the folder that an image lies in for its class.

    An image that lies in several classes' folders, by the same name and with the same bytes, is one image. Images of
    the same name with other bytes are other images.

    Args:
        image_dir: holds a folder for each class, subfolders of these included; or folders such as train, val and test
            that do.
        classes_file: a class name a line, which gives names and order, also to folders called by class ids; None takes
            the folders' names, sorted.
        duplicates: what an image in several classes' folders is: a fault, or one row with all these classes.
        faults: gets images in no class's folder, folders that are no class, and images in several if that is one.

    Returns:
        A row an image: its path inside `image_dir` is its id; of an image in several folders the first of its paths.
        There are no lines: all are 0.
    """
    table = LabelTable(form="folders")
    names = None if classes_file is None else read_class_names(Path(classes_file), faults, table.notes)
    try:
        found = find_images(image_dir)
    except InputError as error:
        faults.add(str(error))
        return table
    folders = sorted({name.split("/")[0] for name in found if "/" in name})
    splits = {name: SPLIT_FOLDERS[name.casefold()] for name in folders if name.casefold() in SPLIT_FOLDERS}
    if set(map(clean, splits)) <= set(names or ()):
        splits = {}
    if fault := _split_fault(folders, splits):
        faults.add(f"{image_dir}: {fault}")
        return table
    depth = 1 if splits else 0
    loose = [name for name in found if name.count("/") <= depth]
    if loose:
        faults.add(f"{len(loose):,} images in {image_dir} lie in no class's folder: {some(loose)}; {_way_out(splits)}")
    placed = {name: clean(name.split("/")[depth]) for name in found if name.count("/") > depth}
    index = _class_index(sorted(set(placed.values())), names, classes_file, image_dir, faults)
    table.class_names = names or list(index)
    rows = [row for row in _images(found, placed, depth) if placed[row[0]] in index]
    _fill(table, rows, placed, index, duplicates, faults)
    table.split = [splits[name.split("/")[0]] for name in table.ids] if splits else None
    how = "a folder for each class"
    if splits:
        how = f"the folders {some(list(map(quoted, splits)))} are the split and hold {how}"
    table.notes.insert(0, f"{image_dir}: {how}: {some([quoted(name) for name in index])}")
    if names is None and (text := same_but_for_case(index)):
        table.warnings.append(f"{image_dir}: {text}")
    empty = sorted(folder.name for folder in Path(image_dir).iterdir() if folder.is_dir() and not any(folder.iterdir()))
    if empty:
        table.warnings.append(f"folders without images: {some(empty)}")
    return table


def _fill(
    table: LabelTable,
    rows: list[list[str]],
    placed: dict[str, str],
    index: dict[str, int],
    duplicates: Literal["error", "union"],
    faults: Faults,
) -> None:
    """Give the table a row an image, and say which images several classes have.

    Args:
        table: with its class names.
        rows: the paths of each image.
        placed: path → the folder of its class. index: folder → the number of its class.
        duplicates, faults: as for `read_class_folders`.
    """
    table.ids, table.lines = [copies[0] for copies in rows], [0] * len(rows)
    table.labels = np.zeros((len(rows), len(table.class_names)), dtype=np.uint8)
    for number, copies in enumerate(rows):
        table.labels[number, [index[placed[name]] for name in copies]] = 1
    several = [copies for copies in rows if len(copies) > 1]
    if several and duplicates == "error":
        for copies in several:
            faults.add(f"one image in {len(copies)} classes' folders: {', '.join(copies)}; {ONE_OR_ALL}")
    elif several:
        table.warnings.append(f"{len(several):,} images in several classes' folders have all these classes")


def _split_fault(folders: list[str], splits: dict[str, str]) -> str:
    """Why folders called like splits cannot be taken for a split, in words.

    Args:
        folders: all folders of the first level.
        splits: those of them that are called like a split, and which.
    """
    named = some(list(map(quoted, splits)))
    if others := [quoted(name) for name in folders if splits and name not in splits]:
        way_out = "move what lies there into one of them, or give a classes_file if all are classes"
        return f"the folders {named} are called like a split, but not {some(others)}; {way_out}"
    for split in set(splits.values()):
        if len(same := [quoted(name) for name in splits if splits[name] == split]) > 1:
            return f"the folders {', '.join(same)} are both {split}; make one of them"
    return ""


def _way_out(splits: dict[str, str]) -> str:
    inside = f"a class's folder inside {', '.join(map(quoted, splits))}" if splits else "the folder of their class"
    return f"move them into {inside}, or give --labels_csv"


def _class_index(
    folders: list[str], names: Sequence[str] | None, classes_file: Path | None, image_dir: Path, faults: Faults
) -> dict[str, int]:
    """The number of the class that each folder stands for; a folder that is no class is a fault and left out."""
    if names is None:
        return {name: number for number, name in enumerate(folders)}
    numbers = {name: number for number, name in enumerate(names)}
    if folders and not numbers.keys() & set(folders) and all(re.fullmatch("[0-9]{1,9}", name) for name in folders):
        numbers = {name: int(name) for name in folders if int(name) < len(names)}
    for name in folders:
        if name not in numbers:
            near = get_close_matches(name, names, n=1)
            hint = f"; did you mean {quoted(near[0])}?" if near else ""
            faults.add(f"{image_dir}: the folder {quoted(name)} is no class of {Path(classes_file).name}{hint}")
    return {name: numbers[name] for name in folders if name in numbers}


def _images(found: dict[str, Path], placed: dict[str, str], depth: int) -> list[list[str]]:
    """The paths of each image: several where they differ in the class's folder only and hold the same bytes."""
    namesakes: dict[tuple[str, ...], list[str]] = {}
    for name in placed:
        parts = name.split("/")
        namesakes.setdefault((*parts[:depth], *parts[depth + 1 :]), []).append(name)
    images: dict[tuple[str, str], list[str]] = {}
    for names in namesakes.values():
        for name in names:
            digest = _digest(found[name]) if len(names) > 1 else ""
            images.setdefault((names[0], digest), []).append(name)
    return sorted(images.values())


def _digest(path: Path) -> str:
    """The sha1 of a file; a file that cannot be read equals no other, and is named when it is to be decoded."""
    try:
        return sha1_of(path)
    except OSError:
        return str(path)
