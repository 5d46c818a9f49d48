"""A spreadsheet as people save it: its text, header and rows with their line numbers."""

import csv
import io
import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from common.errors import Faults
from data.tables.encodings import read_text

ID_COLUMNS = ("id", "image_id", "image", "image_name", "filename", "file_name", "file")
PATH_COLUMN = "path_"  # followed by a channel's name: the file of that channel
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
LINE_END = re.compile(r"\r\n|\n|\r")
SEPARATORS = {",": ",", ";": ";", "\t": "tabs"}  # and what they are called
SAMPLE = 1 << 16  # characters at the start that decide on the separator


def clean(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"


def quoted(text: str) -> str:
    return repr(shortened(text))


def some(texts: Sequence[Any], shown: int = 5) -> str:
    """The first few, and how many more there are."""
    return ", ".join(map(str, texts[:shown])) + (f" and {len(texts) - shown} more" if len(texts) > shown else "")


def column_key(name: str) -> str:
    """A column's name without regard to case, spaces and hyphens."""
    return re.sub(r"[\s-]+", "_", name.casefold())


def read_class_names(path: Path, faults: Faults, notes: list[str] | None = None) -> list[str] | None:
    """The names of a classes file, a line each, or None after a fault that leaves none; notes get a rare encoding."""
    text, encoding = read_text(path, faults)
    if notes is not None and encoding not in ("", "UTF-8"):
        notes.append(f"{path.name}: {encoding}")
    names = [clean(line) for line in LINE_END.split(text.rstrip())]
    first: dict[str, int] = {}
    for line, name in enumerate(names, start=1):
        if CONTROL.search(name):
            faults.add(f"{path.name}, line {line}: class name {quoted(name)} holds a control character")
        elif not name and len(names) > 1:
            faults.add(f"{path.name}, line {line}: no class name; a blank line would shift the ids that follow")
        elif first.setdefault(name, line) != line:
            faults.add(f"{path.name}, line {line}: class name {quoted(name)} is also in line {first[name]}")
    return names if names != [""] else None


def find_separator(text: str, wanted: Collection[str]) -> str:
    """Comma, semicolon or tab: the one that gives the header a column of the wanted names, or else most columns.

    A comma or semicolon may also stand in the names of the header and separate class names in the rows, so that
    rows of as many fields as the header has are asked for before many columns are.

    Args:
        text: the file.
        wanted: keys of columns, of which the header should have one.
    """
    best, separator = (False, 0.0, 1), ","
    lines = [line for line in LINE_END.split(text[:SAMPLE]) if line.strip()]
    if len(text) > SAMPLE:
        lines = lines[:-1] or lines
    for candidate in SEPARATORS:
        rows = list(csv.reader(lines, delimiter=candidate))
        if rows and rows[0][0].casefold() == "sep=":
            rows = rows[1:]
        if not rows or len(rows[0]) < 2:
            continue
        fitting = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
        named = any(column_key(clean(cell)) in wanted for cell in rows[0])
        if (named, fitting, len(rows[0])) > best:
            best, separator = (named, fitting, len(rows[0])), candidate
    return separator


class Sheet:
    """The header and rows of a CSV file with their line numbers; rows of a wrong length are faults and left out.

    Args:
        path: a text file in UTF-8, UTF-16 or Windows-1252, separated by commas, semicolons or tabs.
        faults: gets what is wrong with it.
        wanted: keys of columns, of which there should be one; they help to find the separator.

    Attributes:
        header, rows, lines: the column names, the fields of each row, and the line of each row, counted from 1.
        warnings: what is worth a warning. notes: how the file was read, in words.
    """

    def __init__(self, path: Path, faults: Faults, wanted: Collection[str] = ()) -> None:
        self.name, self.faults, self.warnings, self.notes = path.name, faults, list[str](), list[str]()
        self.header, self.rows, self.lines = list[str](), list[list[str]](), list[int]()
        before = len(faults)
        text, encoding = read_text(path, faults)
        self.separator = find_separator(text, wanted)
        if encoding:
            self.notes.append(f"{self.name}: {encoding}, separated by {SEPARATORS[self.separator]}")
        # Strict, because a quote that is never closed would otherwise swallow the rest of the file.
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self.separator, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                faults.add(f"{self.name}, line {line}: not readable as CSV ({error}); is a quote left open?")
                continue
            # The line sep=; tells spreadsheets the separator.
            if not self.header and row and row[0].casefold() == "sep=":
                continue
            if not any(map(str.strip, row)):
                continue
            if "\0" in "".join(row):
                faults.add(f"{self.name}, line {line}: {quoted(self.separator.join(row))} holds a NUL character")
            elif not self.header:
                self.header = [clean(cell) for cell in row]
                # Spreadsheets write commas after the last column.
                while not self.header[-1]:
                    self.header.pop()
            elif len(row) < len(self.header) or any(map(str.strip, row[len(self.header) :])):
                wrong = f"{len(row)} fields where the header has {len(self.header)}"
                hint = "; separate class names by |" if self.separator == ";" and len(row) > len(self.header) else ""
                faults.add(f"{self.name}, line {line}: {wrong}{hint}")
            else:
                self.rows.append(row)
                self.lines.append(line)
        if not self.rows and len(faults) == before:
            faults.add(f"{self.name} has a header but no rows")

    def fault(self, row: int, text: str) -> None:
        self.faults.add(f"{self.name}, line {self.lines[row]}: {text}")

    def column(self, place: int) -> list[str]:
        return [clean(row[place]) for row in self.rows]

    def drop_bad_rows(self, id_place: int, target_place: int | None) -> None:
        """Leave out rows without an Id, and those in which a quote left open joined several lines."""
        good = []
        for row, cells in enumerate(self.rows):
            name, target = clean(cells[id_place]), "" if target_place is None else clean(cells[target_place])
            if not name:
                self.fault(row, "the Id is empty")
            elif CONTROL.search(name) or CONTROL.search(target.replace("\t", " ")):
                shown = quoted(name if CONTROL.search(name) else target)
                self.fault(row, f"{shown} holds a line break or control character; is a quote left open?")
            else:
                good.append(row)
        self.rows, self.lines = [self.rows[row] for row in good], [self.lines[row] for row in good]
