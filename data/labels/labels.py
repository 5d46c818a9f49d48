"""The labels of a set of images: any form of labels.csv read, written and counted."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from common.errors import Faults
from common.files import written_aside
from common.labels import UNKNOWN
from data.labels.label_forms import (
    SPLITS,
    find_columns,
    parse_columns,
    parse_targets,
    path_columns,
    same_but_for_case,
)
from data.tables.spreadsheet import CONTROL, ID_COLUMNS, Sheet, column_key, quoted, read_class_names, some


@dataclass
class LabelTable:
    """The rows of a labels.csv, one an image, in the order of the file."""

    ids: list[str] = field(default_factory=list)  # N distinct names, NFC-normalised and stripped
    labels: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.uint8))  # (N, K): 0, 1 or UNKNOWN
    class_names: list[str] = field(default_factory=list)  # K names
    split: list[str] | None = None  # N of SPLITS; None where the file gives none, as for fold and group
    fold: np.ndarray | None = None  # (N,) int64; -1 for a test row without a fold
    group: list[str] | None = None  # N names, empty for a row that belongs to no group
    lines: list[int] = field(default_factory=list)  # N line numbers in the file, counted from 1
    form: Literal["ids", "names", "columns", "folders"] = "ids"  # how the labels are given
    warnings: list[str] = field(default_factory=list)  # what was merged or left out
    notes: list[str] = field(default_factory=list)  # how the files were read
    source: list[str] | None = None  # N names of sources, where several files were joined


def read_labels(
    labels_csv: Path,
    classes_file: Path | None,
    faults: Faults,
    *,
    id_column: str = "",
    target_column: str = "",
    group_column: str = "",
    empty_target: Literal["none", "unknown"] = "none",
) -> LabelTable:
    """Read labels.csv, whose encoding, separator and form are found by its bytes, columns and values.

    Args:
        labels_csv: UTF-8, UTF-16 or Windows-1252, separated by commas, semicolons or tabs; forms as in FORMS, column
            names in any case. ?3 or ?name in a Target, or an empty 0/1 cell, is an unknown label.
        classes_file: a class name a line, which gives names and order; None takes them from the CSV: the order of
            the 0/1 columns, class names sorted, or class ids 0 to the largest.
        faults: gets every fault with its file and line; nothing is raised for one.
        id_column, target_column, group_column: the columns to take; empty: found by their names.
        empty_target: what an empty Target means: no class, or all of them unknown.

    Returns:
        The rows that could be read; rows of one Id and equal labels are merged into the first.
    """
    classes_name = "" if classes_file is None else Path(classes_file).name
    notes: list[str] = []
    class_names = None if classes_file is None else read_class_names(Path(classes_file), faults, notes)
    sheet = Sheet(Path(labels_csv), faults, {column_key(id_column)} if id_column else ID_COLUMNS)
    chosen = {"id": id_column, "target": target_column, "group": group_column}
    columns = find_columns(sheet, class_names, classes_name, chosen) if sheet.header else None
    if columns is None:
        return LabelTable()
    sheet.drop_bad_rows(columns["id"], columns.get("target"))
    if "target" in columns:
        empty = UNKNOWN if empty_target == "unknown" else 0
        parsed = parse_targets(sheet, columns["target"], class_names, classes_name, empty)
    else:
        taken = {sheet.header[place] for place in columns.values()} | path_columns(sheet)
        names = class_names or [name for name in sheet.header if name and name not in taken]
        if wrong := [quoted(name) for name in names if CONTROL.search(name)]:
            sheet.faults.add(f"{sheet.name}: class names with a line break or control character: {some(wrong)}")
        parsed = parse_columns(sheet, {name: sheet.header.index(name) for name in names})
    labels, names, form = parsed
    group, split, fold = (sheet.column(columns[key]) if key in columns else [] for key in ("group", "split", "fold"))
    table = LabelTable(sheet.column(columns["id"]), labels, names, lines=sheet.lines, form=form)
    table.group = group if any(group) else None
    table.split = _parse_split(sheet, split) if any(split) else None
    table.fold = _parse_fold(sheet, fold, table.split) if any(fold) else None
    table.warnings, table.notes = sheet.warnings, sheet.notes + notes
    if class_names is None and (text := same_but_for_case(names)):
        table.warnings.append(f"{sheet.name}: {text}")
    if class_names is None and form == "ids" and Path(labels_csv).with_name("classes.txt").is_file():
        table.warnings.append(
            f"{sheet.name}: the classes are called by their ids, though a classes.txt lies beside; "
            "if it names them, give it as classes_file"
        )
    if group_column and table.group is None:
        table.warnings.append(f"{sheet.name}: the column {quoted(group_column)} is empty, so there are no groups")
    return _merge_duplicates(sheet, table)


def _parse_split(sheet: Sheet, cells: list[str]) -> list[str]:
    split = [cell.casefold() for cell in cells]
    gaps = [sheet.lines[row] for row, cell in enumerate(split) if not cell]
    for row, cell in enumerate(split):
        if cell and cell not in SPLITS:
            sheet.fault(row, f"split {quoted(cells[row])} is none of {', '.join(SPLITS)}")
    if gaps:
        sheet.faults.add(f"{sheet.name}, lines {some(gaps)}: no split, though other rows have one; fill all or none")
    return split


def _parse_fold(sheet: Sheet, cells: list[str], split: list[str] | None) -> np.ndarray:
    """Fold numbers; test rows need none."""
    fold = np.full(len(cells), -1, dtype=np.int64)
    gaps = []
    for row, cell in enumerate(cells):
        if re.fullmatch("[0-9]{1,4}", cell):
            fold[row] = int(cell)
        elif cell:
            sheet.fault(row, f"fold {quoted(cell)} is not a whole number from 0 to 9999")
        elif not split or split[row] != "test":
            gaps.append(sheet.lines[row])
    if gaps:
        sheet.faults.add(f"{sheet.name}, lines {some(gaps)}: no fold, though other rows have one; fill all or none")
    return fold


def _merge_duplicates(sheet: Sheet, table: LabelTable) -> LabelTable:
    """Keep the first of the rows of one Id; rows of one Id that differ are faults."""
    first: dict[str, int] = {}
    merged = []
    for row, name in enumerate(table.ids):
        if (other := first.setdefault(name, row)) == row:
            continue
        differing = [
            what
            for what, values in (("labels", table.labels), ("split", table.split), ("fold", table.fold))
            if values is not None and not np.array_equal(values[other], values[row])
        ]
        if table.group is not None and table.group[other] != table.group[row]:
            differing.append("group")
        lines = f"{table.lines[other]} and {table.lines[row]}"
        if differing:
            what = " and ".join(differing)
            sheet.faults.add(f"{sheet.name}, lines {lines}: Id {quoted(name)} twice with different {what}; keep one")
        else:
            merged.append(f"{quoted(name)} (lines {lines})")
    if merged:
        table.warnings.append(f"{sheet.name}: {len(merged)} repeated rows with equal labels merged: {some(merged)}")
    keep = list(first.values())
    table.ids, table.lines = list(first), [table.lines[row] for row in keep]
    table.labels = table.labels[keep]
    table.fold = None if table.fold is None else table.fold[keep]
    table.split = table.split and [table.split[row] for row in keep]
    table.group = table.group and [table.group[row] for row in keep]
    return table


def write_labels(
    path: Path,
    ids: Sequence[str],
    labels: np.ndarray,
    class_names: Sequence[str],
    form: Literal["ids", "names", "columns"] = "ids",
) -> None:
    """Write labels.csv in one of the forms that `read_labels` reads.

    Args:
        path: written aside and renamed.
        ids: N names.
        labels: (N, K) uint8 of 0, 1 or UNKNOWN.
        class_names: K names; the form "ids" needs them beside the CSV as its classes file.
        form: class ids separated by spaces, class names separated by |, or a 0/1 column for each class; an unknown
            label is a class with a ? before it, or an empty 0/1 cell.

    Raises:
        ValueError: the form cannot hold one of the names.
    """
    if form == "names" and any(re.search(r"[|;]|^\?", name) for name in class_names):
        raise ValueError("the form 'names' cannot hold a class name with | or ; or a ? at its start; use another form")
    with written_aside(Path(path)) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["Id", *class_names] if form == "columns" else ["Id", "Target"])
        for name, row in zip(ids, np.asarray(labels), strict=True):
            if form == "columns":
                writer.writerow([name, *("" if value == UNKNOWN else int(value) for value in row)])
            else:
                cells = [
                    ("?" if row[index] == UNKNOWN else "") + (str(index) if form == "ids" else class_names[index])
                    for index in np.flatnonzero(row).tolist()
                ]
                writer.writerow([name, (" " if form == "ids" else "|").join(cells)])


def label_statistics(labels: np.ndarray) -> dict[str, Any]:
    """Count what a set of labels holds, as plain numbers fit for JSON.

    Args:
        labels: (N, K) uint8 of 0, 1 or UNKNOWN.

    Returns:
        rows: N. positives, known: K counts. labels_per_image: the mean number of positive labels, like what follows of
        the rows with a known label. labels_per_image_histogram: rows with 0, 1, 2, … positive labels.
        rows_without_labels: the first of these.
        label_density: positives over known labels, which is labels_per_image / K where all are known.
        imbalance_ratio: for each class the largest class's positives over its own (IRLbl; None without positives), and
        mean_imbalance_ratio its mean over classes with positives (MeanIR; None without any): Charte et al.,
        "Addressing imbalance in multilabel classification" (Neurocomputing 163, 2015), equations 1 and 2.
    """
    positive, known = np.asarray(labels) == 1, np.asarray(labels) != UNKNOWN
    positives, judged = positive.sum(axis=0), known.any(axis=1)
    histogram = np.bincount(positive[judged].sum(axis=1), minlength=1)
    ratios = [float(positives.max() / count) if count else None for count in positives]
    present = [ratio for ratio in ratios if ratio is not None]
    return {
        "rows": len(labels),
        "positives": positives.tolist(),
        "known": known.sum(axis=0).tolist(),
        "labels_per_image": float(positives.sum() / max(judged.sum(), 1)),
        "labels_per_image_histogram": histogram.tolist(),
        "rows_without_labels": int(histogram[0]),
        "label_density": float(positives.sum() / max(known.sum(), 1)),
        "imbalance_ratio": ratios,
        "mean_imbalance_ratio": float(np.mean(present)) if present else None,
    }
