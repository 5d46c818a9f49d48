"""The forms in which a labels.csv gives its labels: class ids, class names, or a 0/1 column a class."""

import re
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Literal

import numpy as np

from common.labels import UNKNOWN
from data.tables.spreadsheet import ID_COLUMNS, PATH_COLUMN, Sheet, clean, column_key, quoted, some

SPLITS = ("train", "val", "test")
TARGET_COLUMNS = ("target", "targets", "labels", "label")
OPTIONAL_COLUMNS = ("split", "fold", "group")
CHOSEN = {"id": "id_column", "target": "target_column", "group": "group_column"}  # and the fields that choose them
FORMS = (
    "accepted are columns Id,Target with class ids separated by spaces or class names separated by | or ;, or Id and a "
    "0/1 column for each class; columns split, fold and group may be added; other names are given by id_column, "
    "target_column and group_column"
)
# pandas writes a 0/1 column that has empty cells as 0.0 and 1.0.
VALUES = {"0": 0, "1": 1, "": UNKNOWN, "0.0": 0, "1.0": 1}
# Without a classes file the largest id sets the number of classes, so that one slip could ask for millions.
LARGEST_ID = 9999
NUMBER = re.compile(r"[+-]?\d[\d.,]*", re.ASCII)
# Labels (N, K), class names and form, as in labels.LabelTable.
Parsed = tuple[np.ndarray, list[str], Literal["ids", "names", "columns"]]


def find_columns(
    sheet: Sheet, class_names: list[str] | None, classes_name: str, chosen: dict[str, str]
) -> dict[str, int] | None:
    """The places of id, target, split, fold and group, as far as there are such; None after a fault.

    Args:
        sheet: the CSV.
        class_names: what the classes file lists, None without one.
        classes_name: the name of that file, for the messages.
        chosen: the names of the columns that the user chose, by the keys of CHOSEN; empty names choose none.
    """
    named_by_user = _chosen_columns(sheet, chosen)
    if named_by_user is None:
        return None
    columns = _known_columns(sheet, class_names or [], named_by_user)
    # The files of an image's channels are read with the images, and are no classes.
    paths = path_columns(sheet).difference(class_names or ())
    used = set(columns.values())
    others = [name for index, name in enumerate(sheet.header) if name and name not in paths and index not in used]
    if error := _columns_error(sheet, class_names, classes_name, named_by_user, columns, others):
        sheet.faults.add(f"{sheet.name}: {error}")
        return None
    unused = [quoted(name) for name in others if "target" in columns or (class_names and name not in class_names)]
    if unused:
        sheet.warnings.append(f"{sheet.name}: columns that are not used: {some(unused)}")
    return columns


def _known_columns(sheet: Sheet, class_names: list[str], chosen: dict[str, int]) -> dict[str, int]:
    """Return the index of each column that the user chose or that has a known name."""
    keys = _keys(sheet, chosen)
    # A column that the classes file names is a class, also if it is called Group.
    free = ["" if name in class_names else key for name, key in zip(sheet.header, keys, strict=True)]
    columns = {key: free.index(key) for key in OPTIONAL_COLUMNS if key in free}
    for kind, accepted in (("id", ID_COLUMNS), ("target", TARGET_COLUMNS)):
        if known := [key for key in accepted if key in keys]:
            columns[kind] = keys.index(known[0])
    if len(set(class_names) & set(sheet.header)) * 2 > len(class_names):
        # A class may be called Target: with columns for most classes, that is one more.
        columns.pop("target", None)
    return columns | chosen


def _columns_error(
    sheet: Sheet, class_names: list[str] | None, classes_name: str, chosen: dict[str, int], columns: dict[str, int],
    others: list[str],
) -> str:  # fmt: skip
    """Return why no labels can be read from these columns, empty if they can."""
    shown = f"{_shown(sheet)}; {FORMS}"
    if "id" not in columns:
        return f"no column Id; {shown}"
    if "target" not in columns and not others:
        return f"no column Target and no class column; {shown}"
    keys = _keys(sheet, chosen)
    twice = [name for name, times in Counter(sheet.header).items() if name and times > 1]
    twice += [keys[index] for index in columns.values() if keys[index] and keys.count(keys[index]) > 1]
    if twice:
        return f"columns of equal name: {some([quoted(name) for name in twice])}"
    missing = [quoted(name) for name in class_names or () if name not in sheet.header]
    if "target" not in columns and missing:
        return f"no column Target, and none for {some(missing)} of {classes_name}; {shown}"
    guessed = "target" in columns and "target" not in chosen
    if guessed and others and class_names is None and _is_binary(sheet, columns):
        name = quoted(sheet.header[columns["target"]])
        return f"every column holds 0 and 1 only, so {name} may list class ids or be a class; give a classes_file"
    return ""


def _keys(sheet: Sheet, chosen: dict[str, int]) -> list[str]:
    """Return the key of each column, empty for those that the user chose."""
    return ["" if index in chosen.values() else column_key(name) for index, name in enumerate(sheet.header)]


def _chosen_columns(sheet: Sheet, chosen: dict[str, str]) -> dict[str, int] | None:
    """The places of the columns that the user chose by name; None after a fault."""
    keys, places = [column_key(name) for name in sheet.header], dict[str, int]()
    before = len(sheet.faults)
    for kind, wanted in chosen.items():
        name = clean(wanted)
        # The exact name comes first, so that columns called a and A can be told apart.
        exact = [place for place, header in enumerate(sheet.header) if header == name]
        fitting = exact or [place for place, key in enumerate(keys) if key == column_key(name)]
        if name and not fitting:
            near = get_close_matches(name[:100], sheet.header, n=1)
            hint = f"; did you mean {quoted(near[0])}?" if near else ""
            field = f"{CHOSEN[kind]} = {quoted(wanted)}"
            sheet.faults.add(f"{sheet.name}: there is no column for {field}; {_shown(sheet)}{hint}")
        elif len(fitting) > 1:
            sheet.faults.add(f"{sheet.name}: {len(fitting)} columns are called {quoted(name)} ({CHOSEN[kind]})")
        elif name:
            places[kind] = fitting[0]
    if len(set(places.values())) < len(places):
        fields = ", ".join(f"{CHOSEN[kind]} = {quoted(chosen[kind])}" for kind in places)
        sheet.faults.add(f"{sheet.name}: one column is chosen twice: {fields}")
    return None if len(sheet.faults) > before else places


def _shown(sheet: Sheet) -> str:
    return f"the columns are {some([quoted(name) for name in sheet.header], 20)}"


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
    paths = path_columns(sheet)
    places = [place for place, name in enumerate(sheet.header) if name and name not in paths and place not in used]
    return all(cell in VALUES for place in places for cell in sheet.column(place))


def parse_targets(sheet: Sheet, place: int, class_names: list[str] | None, classes_name: str, empty: int = 0) -> Parsed:
    """Class ids or class names in one column; a row keeps its good labels beside its faults.

    A class with a ? before it is unknown, and a ? alone makes all classes unknown that its row does not give; `empty`,
    0 or UNKNOWN, is the label of each class where the target is empty.
    """
    targets = sheet.column(place)
    as_ids = _are_ids(sheet, targets, class_names, classes_name)
    known = set(class_names or ())
    parts = {target: target.split() if as_ids else _split_names(target, known) for target in set(targets)}
    marked = {part: _unmarked(part, known) for found in parts.values() for part in found}
    names = class_names
    if names is None and as_ids:
        ids = {int(name) for name, _ in marked.values() if re.fullmatch("0*[0-9]{1,9}", name)}
        names = [str(number) for number in range(max((n for n in ids if n <= LARGEST_ID), default=-1) + 1)]
    elif names is None:
        names = sorted({name for name, _ in marked.values() if name})
        if lists := _like_lists(names):
            sheet.warnings.append(
                f"{sheet.name}: {some(list(map(quoted, lists)))} are classes of their own, but read like lists of "
                "others; separate class names by | or ;"
            )
    index = {str(number) if as_ids else name: number for number, name in enumerate(names)}
    labels = np.zeros((len(targets), len(names)), dtype=np.uint8)
    repeated, reasons = [], dict[str, str]()
    for row, target in enumerate(targets):
        labels[row] = UNKNOWN if "?" in parts[target] else 0 if parts[target] else empty
        given = dict[int, int]()
        for part in parts[target]:
            name, value = marked[part]
            if not name:
                continue
            # 07 is class 7.
            number = index.get((name.lstrip("0") or "0") if as_ids else name)
            if number is None:
                if name not in reasons:
                    reasons[name] = _reason(name, as_ids, names, classes_name)
                sheet.fault(row, reasons[name])
            elif given.setdefault(number, value) != value:
                sheet.fault(row, f"{quoted(name)} stands in one Target with and without ?; keep one")
            else:
                labels[row, number] = value
        if len(set(parts[target])) < len(parts[target]):
            repeated.append(sheet.lines[row])
    if repeated:
        sheet.warnings.append(f"{sheet.name}: classes given twice in one row, counted once: lines {some(repeated)}")
    if not names:
        sheet.faults.add(f"{sheet.name}: no row has a class and no classes_file names any")
    return labels, names, "ids" if as_ids else "names"


def same_but_for_case(class_names: Iterable[str]) -> str:
    """That names are different classes though only capital and small letters tell them apart; empty without such."""
    alike: dict[str, list[str]] = {}
    for name in sorted(class_names):
        alike.setdefault(name.casefold(), []).append(quoted(name))
    found = [" / ".join(names) for names in alike.values() if len(names) > 1]
    if not found:
        return ""
    return f"classes whose names differ only in capital and small letters are different classes: {some(found)}"


def _like_lists(class_names: list[str]) -> list[str]:
    """The names whose pieces between commas are all names of classes themselves."""
    known = {name.casefold() for name in class_names}
    return [
        name for name in class_names if "," in name and known >= {clean(part).casefold() for part in name.split(",")}
    ]


def _unmarked(part: str, known: set[str]) -> tuple[str, int]:
    """The class that a part of a target means, and its label: unknown with a ? before it, unless a class is so called.

    A ? alone means no class of its own: its name is empty.
    """
    if part.startswith("?") and part not in known:
        return clean(part[1:]), UNKNOWN
    return part, 1


def _are_ids(sheet: Sheet, targets: list[str], class_names: list[str] | None, classes_name: str) -> bool:
    """Whether most targets are class ids and not class names, so that a few slips do not turn the reading round."""
    known = set(class_names or ())
    rows = Counter(target for target in targets if target.strip("? ") or target in known)
    numbers = sum(
        rows[target] for target in rows if all(NUMBER.fullmatch(part.removeprefix("?")) for part in target.split())
    )
    if class_names is None:
        return numbers * 2 >= rows.total()
    names = {target: {_unmarked(part, known)[0] for part in _split_names(target, known)} for target in rows}
    named = sum(rows[target] for target in rows if known & names[target])
    if numbers == named == rows.total() > 0 and any(name != str(number) for number, name in enumerate(class_names)):
        sheet.faults.add(
            f"{sheet.name}: every Target can be a class id and a class name of {classes_name}, as names are numbers "
            "out of order there; use a 0/1 column for each class"
        )
    return numbers >= named


def _split_names(target: str, known: set[str]) -> list[str]:
    """Class names of a target, each as it is given; a known name may itself hold a ; or |."""
    if target in known or target.removeprefix("?") in known:
        return [target]
    pieces = [clean(piece) for piece in target.split("|")]
    pieces = [
        name
        for piece in pieces
        for name in ([piece] if _unmarked(piece, known)[0] in known else map(clean, piece.split(";")))
    ]
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
