"""The forms in which a labels.csv gives its labels: class ids, class names, or a 0/1 column a class."""

import re
from collections import Counter
from difflib import get_close_matches
from typing import Literal

import numpy as np

from data.spreadsheet import Sheet, clean, quoted, some

UNKNOWN = 255
ID_COLUMNS = ("id", "image_id", "image", "image_name", "filename", "file_name", "file")
TARGET_COLUMNS = ("target", "targets", "labels", "label")
OPTIONAL_COLUMNS = ("split", "fold", "group")
PATH_COLUMN = "path_"  # followed by a channel's name: the file of that channel
FORMS = (
    "accepted are comma-separated columns Id,Target with class ids separated by spaces or class names separated by "
    "| or ;, or Id and a 0/1 column for each class; columns split, fold and group may be added"
)
# pandas writes a 0/1 column that has empty cells as 0.0 and 1.0.
VALUES = {"0": 0, "1": 1, "": UNKNOWN, "0.0": 0, "1.0": 1}
# Without a classes file the largest id sets the number of classes, so that one slip could ask for millions.
LARGEST_ID = 9999
NUMBER = re.compile(r"[+-]?\d[\d.,]*", re.ASCII)
# Labels (N, K), class names and form, as in labels.LabelTable.
Parsed = tuple[np.ndarray, list[str], Literal["ids", "names", "columns"]]


def find_columns(sheet: Sheet, class_names: list[str] | None, classes_name: str) -> dict[str, int] | None:
    """The places of id, target, split, fold and group, as far as there are such; None after a fault."""
    keys = [re.sub(r"[\s-]+", "_", name.casefold()) for name in sheet.header]
    # A column that the classes file names is a class, also where it is called Group.
    free = ["" if name in (class_names or ()) else key for name, key in zip(sheet.header, keys, strict=True)]
    found = {key: free.index(key) for key in OPTIONAL_COLUMNS if key in free}
    for kind, accepted in (("id", ID_COLUMNS), ("target", TARGET_COLUMNS)):
        places = [keys.index(key) for key in accepted if key in keys]
        if places:
            found[kind] = places[0]
    named = set(class_names or ()) & set(sheet.header)
    if len(named) * 2 > len(class_names or ()):
        # A class may be called Target: with columns for most classes, that is one more.
        found.pop("target", None)
    # The files of an image's channels are read with the images, and are no classes.
    paths = path_columns(sheet) - named
    others = [
        name for place, name in enumerate(sheet.header) if name and name not in paths and place not in found.values()
    ]
    twice = [name for name, times in Counter(sheet.header).items() if name and times > 1]
    twice += [keys[place] for place in found.values() if keys.count(keys[place]) > 1]
    missing = [name for name in class_names or () if name not in named]
    shown = f"the columns are {some([quoted(name) for name in sheet.header])}; {FORMS}"
    if "id" not in found:
        text = f"no column Id; {shown}"
    elif "target" not in found and not others:
        text = f"no column Target and no class column; {shown}"
    elif twice:
        text = f"columns of equal name: {some([quoted(name) for name in twice])}"
    elif "target" not in found and missing:
        listed = some([quoted(name) for name in missing])
        text = f"no column Target, and none for {listed} of {classes_name}; {shown}"
    elif "target" in found and others and class_names is None and _is_binary(sheet, found):
        name = quoted(sheet.header[found["target"]])
        text = f"every column holds 0 and 1 only, so {name} may list class ids or be a class; give a classes_file"
    else:
        unused = [quoted(name) for name in others if "target" in found or (class_names and name not in named)]
        if unused:
            sheet.warnings.append(f"{sheet.name}: columns that are not used: {some(unused)}")
        return found
    sheet.faults.add(f"{sheet.name}: {text}")
    return None


def path_columns(sheet: Sheet) -> set[str]:
    """The columns that name a channel's file; one that holds 0 and 1 only is a class, whatever it is called."""
    return {
        name
        for place, name in enumerate(sheet.header)
        if name.casefold().startswith(PATH_COLUMN) and not all(cell in VALUES for cell in sheet.column(place))
    }


def _is_binary(sheet: Sheet, found: dict[str, int]) -> bool:
    """Whether Target and every column that is not used hold 0 and 1 only."""
    used = {place for kind, place in found.items() if kind != "target"}
    places = [place for place, name in enumerate(sheet.header) if name and place not in used]
    return all(cell in VALUES for place in places for cell in sheet.column(place))


def parse_targets(sheet: Sheet, place: int, class_names: list[str] | None, classes_name: str) -> Parsed:
    """Class ids or class names in one column; a row keeps its good labels beside its faults."""
    targets = sheet.column(place)
    as_ids = _are_ids(sheet, targets, class_names, classes_name)
    known = set(class_names or ())
    parts = {target: target.split() if as_ids else _split_names(target, known) for target in set(targets)}
    names = class_names
    if names is None and as_ids:
        ids = {int(part) for found in parts.values() for part in found if re.fullmatch("0*[0-9]{1,9}", part)}
        names = [str(number) for number in range(max((n for n in ids if n <= LARGEST_ID), default=-1) + 1)]
    elif names is None:
        names = sorted({name for found in parts.values() for name in found})
    index = {str(number) if as_ids else name: number for number, name in enumerate(names)}
    labels = np.zeros((len(targets), len(names)), dtype=np.uint8)
    repeated, reasons = [], dict[str, str]()
    for row, target in enumerate(targets):
        for part in parts[target]:
            # 07 is class 7.
            number = index.get((part.lstrip("0") or "0") if as_ids else part)
            if number is None:
                if part not in reasons:
                    reasons[part] = _reason(part, as_ids, names, classes_name)
                sheet.fault(row, reasons[part])
            else:
                labels[row, number] = 1
        if len(set(parts[target])) < len(parts[target]):
            repeated.append(sheet.lines[row])
    if repeated:
        sheet.warnings.append(f"{sheet.name}: classes given twice in one row, counted once: lines {some(repeated)}")
    if not names:
        sheet.faults.add(f"{sheet.name}: no row has a class and no classes_file names any")
    return labels, names, "ids" if as_ids else "names"


def _are_ids(sheet: Sheet, targets: list[str], class_names: list[str] | None, classes_name: str) -> bool:
    """Whether most targets are class ids and not class names, so that a few slips do not turn the reading round."""
    rows = Counter(target for target in targets if target)
    known = set(class_names or ())
    numbers = sum(rows[target] for target in rows if all(map(NUMBER.fullmatch, target.split())))
    if class_names is None:
        return numbers * 2 >= rows.total()
    named = sum(rows[target] for target in rows if known.intersection(_split_names(target, known)))
    if numbers == named == rows.total() > 0 and any(name != str(number) for number, name in enumerate(class_names)):
        sheet.faults.add(
            f"{sheet.name}: every Target can be a class id and a class name of {classes_name}, as names are numbers "
            "out of order there; use a 0/1 column for each class"
        )
    return numbers >= named


def _split_names(target: str, known: set[str]) -> list[str]:
    """Class names of a target; a known name may itself hold a ; or |."""
    if target in known:
        return [target]
    pieces = [clean(piece) for piece in target.split("|")]
    pieces = [name for piece in pieces for name in ([piece] if piece in known else map(clean, piece.split(";")))]
    return [name for name in pieces if name]


def _reason(part: str, as_ids: bool, names: list[str], classes_name: str) -> str:
    """Why part of a Target is no class."""
    if as_ids and re.fullmatch("-?[0-9]+", part):
        shown = part if len(part) <= 20 else part[:20] + "…"
        if not classes_name:
            return f"class id {shown} is out of range: without a classes_file ids are 0 to {LARGEST_ID}"
        return f"class id {shown} is out of range: {classes_name} names {len(names)} classes, ids 0 to {len(names) - 1}"
    if as_ids:
        return f"{quoted(part)} is not a class id; ids are whole numbers separated by spaces"
    near = get_close_matches(part[:100], names, n=1)
    hint = f"; did you mean {quoted(near[0])}?" if near else "; names are separated by | or ;"
    return f"class name {quoted(part)} is not in {classes_name}{hint}"


def parse_columns(sheet: Sheet, places: dict[str, int]) -> Parsed:
    """A 0/1 column for each class."""
    labels = np.full((len(sheet.rows), len(places)), UNKNOWN, dtype=np.uint8)
    for index, (name, place) in enumerate(places.items()):
        cells = sheet.column(place)
        wrong = [row for row, cell in enumerate(cells) if cell not in VALUES]
        if len(wrong) * 2 > len(cells) and len(wrong) > 1:
            lines = some([sheet.lines[row] for row in wrong])
            sheet.faults.add(
                f"{sheet.name}, lines {lines}: column {quoted(name)} holds {quoted(cells[wrong[0]])}, not 0, 1 or "
                f"empty (unknown); if it is no class, give a classes_file; {FORMS}"
            )
            continue
        for row in wrong:
            sheet.fault(row, f"column {quoted(name)} holds {quoted(cells[row])}, not 0, 1 or empty (unknown)")
        labels[:, index] = [VALUES.get(cell, UNKNOWN) for cell in cells]
    return labels, list(places), "columns"
