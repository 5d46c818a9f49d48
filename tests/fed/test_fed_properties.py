"""What holds of any table of labels and of any header, tried on made ones."""

import contextlib
import csv
import dataclasses
import io
import math
import re
import typing

import numpy as np
import pytest
from feeding import in_time
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import augment
import header
import preprocess
import thresholds
from common.errors import Faults, InputError
from data.labels.label_forms import NUMBER, UNKNOWN
from data.labels.labels import LabelTable, read_labels
from data.tables.spreadsheet import CONTROL, clean, column_key

REPEATABLE = settings(deadline=None, derandomize=True, database=None)
SPECIAL = {"id", "image_id", "image", "image_name", "filename", "file_name", "file", "target", "targets", "labels",
           "label", "split", "fold", "group", "sep="}  # fmt: skip
PIECES = ("Id", "Target", "split", "fold", "group", ",", ";", "\t", "\n", "\r\n", "\r", '"', '""', "|", "?", " ", "0",
          "1", "255", "-1", "1.0", "nan", "a", "é", "e\u0301", "\0", "\x1b", "\ufeff", "sep=;\n", "../x", "9" * 30,
          "\u2028", "\u202e", "\U0001f9ec", "a,0\n", "b,1\n", "Id,Target\n")  # fmt: skip
CODECS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "windows-1251", "shift-jis")


def read_back(content: bytes, folder, classes: bytes | None = None) -> tuple[LabelTable, list[str]]:
    (folder / "labels.csv").write_bytes(content)
    if classes is not None:
        (folder / "classes.txt").write_bytes(classes)
    faults = Faults()
    with in_time():
        table = read_labels(folder / "labels.csv", None if classes is None else folder / "classes.txt", faults)
    return table, faults.texts


@st.composite
def contents(draw) -> bytes:
    """Text that looks like a table, in some encoding, some of its bytes changed."""
    text = "".join(draw(st.lists(st.sampled_from(PIECES), max_size=60)))
    content = bytearray(text.encode(draw(st.sampled_from(CODECS)), "replace"))
    for place, value in draw(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=3)):
        if content:
            content[place % len(content)] = value
    return bytes(content)


@settings(REPEATABLE, max_examples=300)
@given(st.one_of(contents(), st.binary(max_size=300)))
def test_any_table_is_read_or_refused(tmp_path_factory, content):
    table, faults = read_back(content, tmp_path_factory.mktemp("any"))
    assert table.labels.shape == (len(table.ids), len(table.class_names))
    assert len(set(table.ids)) == len(table.ids) == len(table.lines)
    assert all(text.startswith("labels.csv") and not CONTROL.search(text) and len(text) < 3000 for text in faults)
    if not faults:
        assert table.ids and table.class_names
        assert set(np.unique(table.labels)) <= {0, 1, UNKNOWN}
        assert len(set(table.class_names)) == len(table.class_names)
        assert not CONTROL.search("".join(table.ids + table.class_names))


LETTERS = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="|;?")
NAMES = st.text(LETTERS, min_size=1, max_size=12).map(clean).filter(
    lambda name: name and not NUMBER.fullmatch(name) and column_key(name) not in SPECIAL
    and not name.casefold().startswith("path_") and clean(name) == name
)  # fmt: skip


@st.composite
def tables(draw) -> tuple[str, list[str], list[str], np.ndarray]:
    """A form, class names, ids and labels."""
    form = draw(st.sampled_from(["ids", "names", "columns"]))
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    ids = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    labels = draw(arrays(np.uint8, (len(ids), len(names)), elements=st.sampled_from([0, 1, UNKNOWN])))
    return form, names, ids, labels


def written(form: str, names: list[str], ids: list[str], labels: np.ndarray, mark: str, end: str) -> str:
    """The table as a program might write it; not by the toolkit's own writer."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=mark, lineterminator=end)
    writer.writerow(["Id", *names] if form == "columns" else ["Id", "Target"])
    for image_id, row in zip(ids, labels.tolist(), strict=True):
        if form == "columns":
            writer.writerow([image_id, *({0: "0", 1: "1", UNKNOWN: ""}[value] for value in row)])
            continue
        parts = [
            "?" * (value == UNKNOWN) + (str(number) if form == "ids" else names[number])
            for number, value in enumerate(row)
            if value
        ]
        writer.writerow([image_id, (" " if form == "ids" else "|").join(parts)])
    return file.getvalue()


@settings(REPEATABLE, max_examples=200)
@given(
    tables(),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_any_table_that_is_written_is_read_back(tmp_path_factory, table, mark, end, codec):
    form, names, ids, labels = table
    assume(codec != "utf-8" or not ids[0].startswith("\ufeff"))
    content = written(form, names, ids, labels, mark, end).encode(codec)
    classes = "\n".join(names).encode("utf-8-sig")
    found, faults = read_back(content, tmp_path_factory.mktemp("back"), classes)
    assert faults == []
    assert (found.ids, found.class_names) == (ids, names)
    np.testing.assert_array_equal(found.labels, labels)


SCRIPTS = (preprocess, augment, thresholds)
FIELDS = [(script, field.name) for script in SCRIPTS for field in dataclasses.fields(script.Config)]
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary(max_size=5),
    st.lists(st.integers(), max_size=3), st.tuples(st.floats()),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)  # fmt: skip
TYPED = st.one_of(
    st.text(min_size=1, max_size=20), st.integers().map(str), st.floats().map(str),
    st.sampled_from(["-1", "nan", "inf", "1e400", "0x10", "True", "None", "--help", "--", "\0", "9" * 5000, "½", "１"]),
)  # fmt: skip


def within_bounds(config) -> bool:
    """Whether every number lies within the bounds of its field and is a number."""
    hints = typing.get_type_hints(type(config), include_extras=True)
    for name, value in vars(config).items():
        bounds = [each for each in typing.get_args(hints[name])[1:] if isinstance(each, header.Bounds)]
        if isinstance(value, float) and not math.isfinite(value):
            return False
        if not all(each.hold(value) for each in bounds):
            return False
    return True


@settings(REPEATABLE, max_examples=200)
@given(st.sampled_from(FIELDS), ANYTHING)
def test_any_value_in_a_header_is_within_bounds_or_refused_by_its_name(field, value):
    script, name = field
    config = dataclasses.replace(script.Config(), **{name: value})
    try:
        header.check(config, "the header")
    except InputError as error:
        assert str(error).startswith(f"{name} = ")
    else:
        assert within_bounds(config)


@settings(REPEATABLE, max_examples=60)
@given(st.sampled_from(FIELDS), TYPED)
def test_any_text_in_the_shell_is_within_bounds_or_refused_by_its_name(field, text):
    script, name = field
    hook, printed, errors = pytest.MonkeyPatch(), io.StringIO(), io.StringIO()
    hook.setattr("sys.excepthook", None)
    try:
        with in_time(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
            config = header.parse(script.Config, script.__doc__, [f"--{name}", text])
    except InputError as error:
        assert str(error).startswith(f"{name} = ")
    except SystemExit as end:
        said = re.sub(r"[\s│]+", " ", printed.getvalue() + errors.getvalue())
        assert end.code == 2 or (end.code == 0 and text in ("--help", "-h"))
        # A switch takes no text, and one behind it belongs to no field.
        assert name in said or name.replace("_", "-") in said or "Unrecognized options" in said
    else:
        assert within_bounds(config)
    finally:
        hook.undo()
