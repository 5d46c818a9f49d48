"""Several folders of images, each with its own labels, joined into one table."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import Faults, InputError
from common.labels import UNKNOWN
from data.images.image_files import ImageFiles
from data.labels.label_forms import same_but_for_case
from data.labels.labels import LabelTable
from data.tables.spreadsheet import quoted, some


@dataclass(frozen=True)
class Source:
    """A folder of images and its labels; without a CSV its subfolders are the classes."""

    name: str
    image_dir: Path
    labels_csv: Path | None


@dataclass(frozen=True)
class Part:
    """What was read of a source: its rows and the image of each."""

    source: Source
    table: LabelTable
    paths: list[ImageFiles]


def pair_up(image_dirs: Sequence[Path], labels_csvs: Sequence[Path]) -> list[Source]:
    """The sources, named by their folders and as much of the folders' parents as tells them apart.

    Raises:
        InputError: there is no folder, or the numbers of folders and CSVs differ.
    """
    if not image_dirs or (labels_csvs and len(labels_csvs) != len(image_dirs)):
        raise InputError(
            f"image_dir has {len(image_dirs)} folders and labels_csv {len(labels_csvs)} files; give them in pairs: "
            "--image_dir A B --labels_csv A.csv B.csv"
        )
    csvs: Sequence[Path | None] = labels_csvs or [None] * len(image_dirs)
    return [Source(*parts) for parts in zip(_names(image_dirs), image_dirs, csvs, strict=True)]


def _names(folders: Sequence[Path]) -> list[str]:
    # Path.resolve refuses a link to itself with an error of its own; that it is no folder is said later.
    whole = [Path(os.path.realpath(folder)) for folder in folders]
    depth = 1
    names = [folder.name for folder in whole]
    while len(set(names)) < len(set(whole)):
        depth += 1
        names = ["/".join(folder.parts[-depth:]) for folder in whole]
    # One folder may be given twice, with two CSVs.
    return [name if names.index(name) == place else f"{name}-{place + 1}" for place, name in enumerate(names)]


def group_by_pattern(table: LabelTable, pattern: str, faults: Faults) -> None:
    """Set the group of each row to what a regular expression finds in its id: its first bracket, or all of it.

    Args:
        table: changed in place.
        pattern: valid, such as "^[^_]+" for what comes before the first underscore.
        faults: gets the ids in which nothing is found, and a table that has groups already.
    """
    if table.group is not None:
        faults.add("the CSV has groups of its own and group_pattern is given; take one of them away")
        return
    found = [re.search(pattern, name) for name in table.ids]
    groups = [(match[1] if match.re.groups else match[0]) or "" if match else "" for match in found]
    missing = [quoted(name) for name, group in zip(table.ids, groups, strict=True) if not group]
    if missing:
        faults.add(f"group_pattern {pattern!r} finds nothing in {len(missing)} ids: {some(missing)}")
    table.group = groups


def join(parts: Sequence[Part], classes_given: bool, faults: Faults) -> tuple[LabelTable, list[ImageFiles]]:
    """One table of all sources, which names the source of each row.

    Args:
        parts: the sources, each read without fault.
        classes_given: whether all were read with one classes file.
        faults: gets what does not fit together.

    Returns:
        The table and the image of each row. An id that an earlier source has gets its own source's name in front.
    """
    tables = [part.table for part in parts]
    names = tables[0].class_names if len(parts) == 1 else _class_names(parts, classes_given, faults)
    joined = LabelTable(class_names=names, form=tables[0].form)
    blocks, renamed = [], 0
    taken: set[str] = set()
    for part in parts:
        table = part.table
        ids = [f"{part.source.name}/{name}" if name in taken else name for name in table.ids]
        renamed += sum(one != other for one, other in zip(ids, table.ids, strict=True))
        for name, line in zip(ids, table.lines, strict=True):
            if name in taken:
                faults.add(f"{part.source.name}, line {line}: id {quoted(name)} is taken by another source; rename it")
        taken.update(ids)
        joined.ids += ids
        joined.lines += table.lines
        joined.source = [*(joined.source or []), *[part.source.name] * len(ids)]
        joined.warnings += table.warnings
        joined.notes += [note for note in table.notes if note not in joined.notes]
        blocks.append(_on_classes(table, names))
        absent = [quoted(name) for name in names if name not in table.class_names]
        if absent:
            state = "unknown there" if table.form == "columns" else "counted as absent there"
            joined.warnings.append(f"{part.source.name} never names {some(absent)}: {state}")
    text = "" if classes_given else same_but_for_case(names)
    if text and text not in [same_but_for_case(table.class_names) for table in tables]:
        joined.warnings.append(text)
    joined.labels = np.concatenate(blocks) if blocks else joined.labels
    if renamed:
        joined.warnings.append(f"{renamed} ids are in several sources; behind the first they are called SOURCE/ID")
    _join_columns(parts, joined, faults)
    return joined, [path for part in parts for path in part.paths]


def _class_names(parts: Sequence[Part], classes_given: bool, faults: Faults) -> list[str]:
    tables = [part.table for part in parts]
    if classes_given:
        return tables[0].class_names
    forms = {table.form for table in tables}
    if "ids" in forms:
        counts = [f"{part.source.name} {len(part.table.class_names)}" for part in parts if part.table.form == "ids"]
        if len(forms) > 1:
            faults.add(f"{', '.join(counts)}: class ids here and class names elsewhere; give a classes_file for all")
        elif len({len(table.class_names) for table in tables}) > 1:
            faults.add(f"the class ids show different numbers of classes ({', '.join(counts)}); give a classes_file")
    names = list(dict.fromkeys(name for table in tables for name in table.class_names))
    return sorted(names) if forms <= {"names", "folders"} else names


def _on_classes(table: LabelTable, names: list[str]) -> np.ndarray:
    """The labels on the joined classes. A 0/1 table says nothing of a class without a column."""
    place = {name: index for index, name in enumerate(table.class_names)}
    labels = np.full((len(table.ids), len(names)), UNKNOWN if table.form == "columns" else 0, dtype=np.uint8)
    for index, name in enumerate(names):
        if name in place:
            labels[:, index] = table.labels[:, place[name]]
    labels[(table.labels == UNKNOWN).all(axis=1)] = UNKNOWN
    return labels


def _join_columns(parts: Sequence[Part], joined: LabelTable, faults: Faults) -> None:
    """Split, fold and group; groups of equal name are one group, whatever their source."""
    for kind in ("split", "fold"):
        without = [part.source.name for part in parts if getattr(part.table, kind) is None]
        if without and len(without) < len(parts):
            faults.add(f"{', '.join(without)} has no column {kind}, but another source has one; give it to all or none")
    if all(part.table.split is not None for part in parts):
        joined.split = [name for part in parts for name in part.table.split]
    if all(part.table.fold is not None for part in parts):
        joined.fold = np.concatenate([part.table.fold for part in parts])
    if any(part.table.group is not None for part in parts):
        joined.group = [name for part in parts for name in part.table.group or [""] * len(part.table.ids)]
