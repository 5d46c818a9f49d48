"""A CSV with a row a class and numbers in its columns, such as weights or rates."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from common.errors import Faults
from data.tables.spreadsheet import Sheet, column_key, quoted, some

NAME_COLUMNS = ("class", "name", "label")


def read_class_values(
    path: Path,
    class_names: Sequence[str],
    columns: Mapping[str, float | None],
    highest: float = math.inf,
) -> dict[str, np.ndarray]:
    """The numbers that a CSV gives to each class.

    Args:
        path: a CSV with a column `class` and those of `columns`, in any order; other columns are left alone.
        class_names: the K classes, each of which needs one row.
        columns: the wanted columns; the number that all classes get where the column is missing, None if it may not be.
        highest: the largest number allowed; the smallest is 0.

    Returns:
        column → (K,) float64 in the order of `class_names`.

    Raises:
        InputError: a column or class is missing, a class is unknown or has two rows, or a number is none or out of
            bounds; each fault is named with its line.
    """
    faults = Faults()
    sheet = Sheet(Path(path), faults, NAME_COLUMNS)
    keys = [column_key(name) for name in sheet.header]
    places = {key: place for place, key in enumerate(keys)}
    by_name = next((places[key] for key in NAME_COLUMNS if key in places), None)
    missing = [] if by_name is not None else ["class"]
    missing += [name for name, default in columns.items() if default is None and name not in places]
    if missing and sheet.header:
        there = some([quoted(name) for name in sheet.header])
        faults.add(f"{sheet.name}: no column {' or '.join(missing)}; its columns are {there}")
    if twice := [name for name in (*NAME_COLUMNS, *columns) if keys.count(name) > 1]:
        faults.add(f"{sheet.name}: columns of equal name: {some([quoted(name) for name in twice])}")
    faults.raise_if_any(f"{path} cannot be used:")
    rows = _rows_of_classes(sheet, by_name, class_names)
    values = {
        name: _numbers(sheet, places[name], rows, highest) if name in places else np.full(len(class_names), default)
        for name, default in columns.items()
    }
    faults.raise_if_any(f"{path} cannot be used:")
    return values


def _rows_of_classes(sheet: Sheet, by_name: int, class_names: Sequence[str]) -> list[int]:
    """The row of each class; what is wrong goes into the sheet's faults."""
    rows: dict[str, int] = {}
    for row, name in enumerate(sheet.column(by_name)):
        if name not in class_names:
            sheet.fault(row, f"unknown class {quoted(name)}")
        elif name in rows:
            sheet.fault(row, f"class {quoted(name)} is also in line {sheet.lines[rows[name]]}")
        else:
            rows[name] = row
    if absent := [name for name in class_names if name not in rows]:
        sheet.faults.add(f"{sheet.name}: no row for {some([quoted(name) for name in absent])}")
    return [rows[name] for name in class_names if name in rows]


def _numbers(sheet: Sheet, place: int, rows: list[int], highest: float) -> np.ndarray:
    """The numbers of a column in the given rows; what is no number within bounds goes into the sheet's faults."""
    cells = sheet.column(place)
    found = np.zeros(len(rows))
    for position, row in enumerate(rows):
        text = cells[row]
        try:
            # Where semicolons separate the fields, commas are what a spreadsheet writes for the decimal point.
            number = float(text.replace(",", ".") if sheet.separator == ";" else text)
        except ValueError:
            number = math.nan
        # Python reads 1_0 as 10.
        if "_" in text or not (0 <= number <= highest and math.isfinite(number)):
            bounds = "0 or more" if highest == math.inf else f"from 0 to {highest:g}"
            sheet.fault(row, f"{sheet.header[place]} {quoted(text)} must be a number {bounds}")
        found[position] = number
    return found
