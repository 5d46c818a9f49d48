"""The text of a file whose encoding nobody wrote down: UTF-8, UTF-16, or what a spreadsheet on Windows saves."""

import re
from pathlib import Path

from common.errors import Faults

MARKS = (  # byte order mark, codec, name; UTF-32 first, because its mark begins like that of UTF-16
    (b"\xff\xfe\0\0", "utf-32", "UTF-32"),
    (b"\0\0\xfe\xff", "utf-32", "UTF-32"),
    (b"\xef\xbb\xbf", "utf-8-sig", "UTF-8"),
    (b"\xff\xfe", "utf-16", "UTF-16"),
    (b"\xfe\xff", "utf-16", "UTF-16"),
)
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods; .xls
# Text of another encoding reads as Windows-1252 too, but then four letters beyond ASCII meet (Cyrillic, Greek, Chinese)
# or a capital of 0x80 to 0x9f stands in a word (Mac Roman: é is 0x8e, there Ž).
FOREIGN = re.compile(r"[^\0-\x7f]{4}|[a-z][ŠŽŸ‡ˆ]|[A-Z][ŠŽŸ‡ˆ][a-z]")
# é, ö, µ, ° in UTF-8: one broken character must not turn all others of a file into Ã© and Âµ.
UTF8_REMAINS = re.compile(rb"[\xc2\xc3][\x80-\xbf]")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
SAVE_AGAIN = 'save it again as "CSV UTF-8" (spreadsheets), or as UTF-8 text'


def read_text(path: Path, faults: Faults) -> tuple[str, str]:
    """The text of a file and the name of its encoding; both empty after a fault.

    UTF-8, UTF-16 and UTF-32 are known by their byte order marks; without one, UTF-16 by the zeros beside its first
    letters, UTF-8 by being valid, and what remains is read as Windows-1252 unless that reads like no language.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        faults.add(f"{path} cannot be read: {error.strerror}")
        return "", ""
    if content.startswith(WORKBOOKS):
        faults.add(f'{path.name} is a workbook, not text; save it from the spreadsheet as "CSV UTF-8"')
        return "", ""
    for mark, codec, name in _candidates(content):
        try:
            text = content.decode(codec)
        except UnicodeDecodeError as error:
            if not (mark or name == "UTF-16"):
                continue
            faults.add(f"{path.name}, {_place(error)}: not {name}, as it begins; {SAVE_AGAIN}")
            return "", ""
        if not text.strip():
            faults.add(f"{path.name} is empty")
        return text, name
    return _windows_text(path, content, faults)


def _candidates(content: bytes) -> list[tuple[bytes, str, str]]:
    marked = [candidate for candidate in MARKS if content.startswith(candidate[0])]
    if marked:
        return marked[:1]
    # Headers begin with letters that UTF-16 writes as a byte and a zero.
    zeros = [byte == 0 for byte in content[:4]]
    if zeros == [False, True, False, True]:
        return [(b"", "utf-16-le", "UTF-16")]
    if zeros == [True, False, True, False]:
        return [(b"", "utf-16-be", "UTF-16")]
    return [(b"", "utf-8", "UTF-8")]


def _windows_text(path: Path, content: bytes, faults: Faults) -> tuple[str, str]:
    """What is not valid UTF-8, as Windows-1252, unless it is a mixture or some other encoding."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        place = f"{path.name}, {_place(error)}"
    if UTF8_REMAINS.search(content):
        faults.add(f"{place}: a character that is not UTF-8, though others are: the file is damaged; {SAVE_AGAIN}")
        return "", ""
    try:
        text = content.decode("windows-1252")
    except UnicodeDecodeError:
        text = ""
    if not text or CONTROL.search(text):
        faults.add(f"{place}: neither UTF-8, UTF-16 nor Windows-1252 text; {SAVE_AGAIN}")
        return "", ""
    if found := FOREIGN.search(text):
        word = re.search(r"\S{0,12}\Z", text[: found.start()])[0] + re.match(r"\S{0,24}", text[found.start() :])[0]
        faults.add(f"{place}: not UTF-8, and as Windows-1252 it reads {word!r}; {SAVE_AGAIN}")
        return "", ""
    return text, "Windows-1252"


def _place(error: UnicodeDecodeError) -> str:
    """Where decoding failed; `error.object` lacks the mark that some codecs take off first."""
    if error.encoding != "utf-8":
        return f"byte {error.start + 1}"
    return f"line {error.object[: error.start].count(10) + 1}"
