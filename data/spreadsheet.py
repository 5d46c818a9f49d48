"""A spreadsheet as people save it: its text, header and rows with their line numbers."""

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.faults import Faults

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
LINE_END = re.compile(r"\r\n|\n|\r")


def clean(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


def some(texts: Sequence[Any]) -> str:
    """The first five, and how many more there are."""
    return ", ".join(map(str, texts[:5])) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")


def read_text(path: Path, faults: Faults) -> str:
    """UTF-8 text with or without a byte order mark; empty after a fault."""
    try:
        content = path.read_bytes()
    except OSError as error:
        faults.add(f"{path} cannot be read: {error.strerror}")
        return ""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        faults.add(f"{path.name}, line {line}: not UTF-8 text; save it as CSV or text in UTF-8")
        return ""
    if not text.strip():
        faults.add(f"{path.name} is empty")
    return text


def read_class_names(path: Path, faults: Faults) -> list[str] | None:
    names = [clean(line) for line in LINE_END.split(read_text(path, faults).rstrip())]
    first: dict[str, int] = {}
    for line, name in enumerate(names, start=1):
        if CONTROL.search(name):
            faults.add(f"{path.name}, line {line}: class name {quoted(name)} holds a control character")
        elif not name and len(names) > 1:
            faults.add(f"{path.name}, line {line}: no class name; a blank line would shift the ids that follow")
        elif first.setdefault(name, line) != line:
            faults.add(f"{path.name}, line {line}: class name {quoted(name)} is also in line {first[name]}")
    return names if names != [""] else None


class Sheet:
    """The header and rows of a CSV file with their line numbers; rows of a wrong length are faults and left out."""

    def __init__(self, path: Path, faults: Faults) -> None:
        self.name, self.faults, self.warnings = path.name, faults, list[str]()
        self.header, self.rows, self.lines = list[str](), list[list[str]](), list[int]()
        before = len(faults)
        text = read_text(path, faults)
        # Strict, because a quote that is never closed would otherwise swallow the rest of the file.
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                faults.add(f"{self.name}, line {line}: not readable as CSV ({error}); is a quote left open?")
                continue
            if not any(map(str.strip, row)):
                continue
            if "\0" in "".join(row):
                faults.add(f"{self.name}, line {line}: {quoted(','.join(row))} holds a NUL character")
            elif not self.header:
                self.header = [clean(cell) for cell in row]
                # Spreadsheets write commas after the last column.
                while not self.header[-1]:
                    self.header.pop()
            elif len(row) < len(self.header) or any(map(str.strip, row[len(self.header) :])):
                faults.add(f"{self.name}, line {line}: {len(row)} fields where the header has {len(self.header)}")
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
