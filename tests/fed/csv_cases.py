"""Tables of labels as people, spreadsheets and attackers write them, with what each is to be read as."""

from dataclasses import dataclass, field
from itertools import product
from typing import Any

ENCODINGS = {
    "UTF-8": "utf-8", "UTF-8 with a mark": "utf-8-sig", "UTF-16 little": "utf-16-le", "UTF-16 big": "utf-16-be",
    "UTF-16 with a mark": "utf-16", "UTF-32 with a mark": "utf-32", "Latin-1": "latin-1",
    "Windows-1252": "windows-1252",
}  # fmt: skip
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}
LINE_ENDS = {"LF": "\n", "CRLF": "\r\n", "CR": "\r"}


@dataclass(frozen=True)
class Table:
    """A labels.csv and what comes of it.

    Attributes:
        content: the file.
        labels: Id → the labels of the classes, a character each: 0, 1, or ? for unknown; None where it is refused.
        said: parts of the message where it is refused, of what is printed where it is read.
        classes: what cache.json names; None to leave that open.
        images: the names of the files in the folder of images.
        classes_file: its content; None for none.
        options: of preprocess.py.
    """

    content: bytes
    labels: dict[str, str] | None = None
    said: tuple[str, ...] = ()
    classes: list[str] | None = None
    images: tuple[str, ...] = ("a.png", "b.png", "c.png")
    classes_file: bytes | None = None
    options: dict[str, Any] = field(default_factory=dict)


def read(text: str, labels: dict[str, str], *classes: str, **more: Any) -> Table:
    """A table that is read."""
    return Table(text.encode(), labels, classes=list(classes) or None, **more)


def refused(content: str | bytes, *said: str, **more: Any) -> Table:
    """A table that is refused."""
    return Table(content.encode() if isinstance(content, str) else content, said=said, **more)


def _forms() -> dict[str, Table]:
    """Each encoding with each separator and each line end."""
    made = {}
    for (name, codec), (called, mark), (ended, end) in product(
        ENCODINGS.items(), SEPARATORS.items(), LINE_ENDS.items()
    ):
        rows = ["Id,Target", "a,Zellhülle|Ångström", "b,Golgi", "c,"]
        text = "".join(row.replace(",", mark) + end for row in rows)
        labels = {"a": "011", "b": "100", "c": "000"}
        classes = ["Golgi", "Zellhülle", "Ångström"]
        made[f"{name}, {called}, {ended}"] = Table(text.encode(codec), labels, classes=classes)
    return made


ABC = {"a": "10", "b": "01", "c": "00"}
CASES = {
    **_forms(),
    "a line sep=;": read("sep=;\nId;Target\na;0\nb;1\nc;\n", ABC, "0", "1"),
    "no line end at the end": read("Id,Target\na,0\nb,1\nc,", ABC, "0", "1"),
    "blank lines": read("\n\nId,Target\n\na,0\n\n\nb,1\nc,\n\n", ABC, "0", "1"),
    "commas behind the last column": read("Id,Target,,\na,0,,\nb,1,,\nc,,,\n", ABC, "0", "1"),
    "doubled quotes in a class": read('Id,Target\na,"say ""x"""\nb,y\nc,\n', ABC, 'say "x"', "y"),
    "quotes around all": read('"Id","Target"\n"a","0"\n"b","1"\n"c",""\n', ABC, "0", "1"),
    "a line break in a column that is not used": read(
        'Id,Target,note\na,0,"one\ntwo"\nb,1,\nc,,\n', ABC, "0", "1", said=("'note'",)
    ),
    "spaces around everything": read(" Id , Target \n a , 0 \n  b,1  \nc , \n", ABC, "0", "1"),
    "no-break spaces": read("Id,Target\n\xa0a\xa0,0\nb,\xa01\nc,\n", ABC, "0", "1"),
    "NaN as a class": read("Id,Target\na,NaN\nb,inf\nc,\n", ABC | {"a": "10", "b": "01"}, "NaN", "inf"),
    "none and null are ids": read(
        "Id,Target\nNone,0\nnull,1\nNA,\n",
        {"None": "10", "null": "01", "NA": "00"},
        images=("None.png", "null.png", "NA.png"),
    ),
    "empty cells are unknown": read("Id,x,y\na,1,\nb,,1\nc,0,0\n", {"a": "1?", "b": "?1", "c": "00"}, "x", "y"),
    "zeros before class ids": read("Id,Target\na,00\nb,0001\nc,\n", ABC, "0", "1"),
    "images that differ in case": read(
        "Id,Target\na,0\nA,1\nc,\n", {"a": "10", "A": "01", "c": "00"}, "0", "1", images=("a.png", "A.png", "c.png")
    ),
    "classes that differ in case": read(
        "Id,Target\na,golgi\nb,Golgi\nc,\n",
        {"a": "01", "b": "10", "c": "00"},
        "Golgi",
        "golgi",
        said=("'Golgi' / 'golgi'",),
    ),
    "an id in NFD, its file in NFC": read(
        "Id,Target\ncafe\u0301,0\nb,1\nc,\n",
        {"caf\xe9": "10", "b": "01", "c": "00"},
        images=("caf\xe9.png", "b.png", "c.png"),
    ),
    "an id in NFC, its file in NFD": read(
        "Id,Target\ncaf\xe9,0\nb,1\nc,\n",
        {"caf\xe9": "10", "b": "01", "c": "00"},
        images=("cafe\u0301.png", "b.png", "c.png"),
    ),
    "one id in both forms": read(
        "Id,Target\ncaf\xe9,0\ncafe\u0301,0\nb,1\n",
        {"caf\xe9": "10", "b": "01"},
        images=("caf\xe9.png", "b.png"),
        said=("merged",),
    ),
    "a class in both forms": read(
        "Id,Target\na,re\u0301seau\nb,r\xe9seau\nc,x\n", {"a": "10", "b": "10", "c": "01"}, "r\xe9seau", "x"
    ),
    "ids with dots, spaces and signs": read(
        "Id,Target\n./a,0\nb 1+2=3,1\n=c,\n",
        {"./a": "10", "b 1+2=3": "01", "=c": "00"},
        images=("a.png", "b 1+2=3.png", "=c.png"),
    ),
    "ids in subfolders": read(
        "Id,Target\nx/a,0\nx\\b,1\nc,\n", {"x/a": "10", "x\\b": "01", "c": "00"}, images=("x/a.png", "x/b.png", "c.png")
    ),
    "a column a class, whose name is a formula": read("Id,=1+1,@x\na,1,0\nb,0,1\nc,0,0\n", ABC, "=1+1", "@x"),
    "classes of markup": read("Id,[red]x[/red],<b>\na,1,0\nb,0,1\nc,0,0\n", ABC, "[red]x[/red]", "<b>"),
    "a thousand columns": read(
        "Id,"
        + ",".join(f"k{n}" for n in range(1000))
        + "\n"
        + "".join(f"{one}," + ",".join("01"[n == at] for n in range(1000)) + "\n" for at, one in enumerate("abc")),
        {one: "0" * at + "1" + "0" * (999 - at) for at, one in enumerate("abc")},
    ),
    "a class id of three digits": read(
        "Id,Target\na,999\nb,0\nc,\n", {"a": "0" * 999 + "1", "b": "1" + "0" * 999, "c": "0" * 1000}
    ),
    "a split in capitals": read("Id,Target,SPLIT\na,0,TRAIN\nb,1,Val\nc,,test\n", ABC, "0", "1"),
    "a group with a line break": read('Id,Target,group\na,0,"p\nq"\nb,1,r\nc,,r\n', ABC, "0", "1"),
}
