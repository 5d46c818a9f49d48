"""Reading labels.csv in all its forms, and what is said about its faults."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from common.errors import Faults
from data.labels.label_forms import UNKNOWN
from data.labels.labels import label_statistics, read_labels, write_labels

DATA = Path(os.environ.get("CELL_DATA", Path(__file__).parents[4] / "shared" / "data"))
real_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real label files are not in {DATA}")
NAMES = "Golgi\nCytosol\nN/A\n"


@pytest.fixture
def read(tmp_path):
    """Write labels.csv (and classes.txt) and read them; return the table and the texts of the faults."""

    def write_and_read(content, classes=None):
        (tmp_path / "labels.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
        classes_file = None
        if classes is not None:
            classes_file = tmp_path / "classes.txt"
            classes_file.write_bytes(classes if isinstance(classes, bytes) else classes.encode())
        faults = Faults()
        table = read_labels(tmp_path / "labels.csv", classes_file, faults)
        return table, faults.texts

    return write_and_read


def test_class_ids_with_a_classes_file(read):
    table, faults = read("Id,Target\n007,2 0\nb,\nc.png,1\n", NAMES)
    assert faults == [] and table.warnings == []
    assert table.ids == ["007", "b", "c.png"]
    assert table.labels.dtype == np.uint8
    assert table.labels.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert table.class_names == ["Golgi", "Cytosol", "N/A"]
    assert (table.form, table.lines, table.split, table.fold, table.group) == ("ids", [2, 3, 4], None, None, None)


def test_class_ids_without_a_classes_file_are_named_by_number(read):
    table, faults = read("Id,Target\na,3 01\n")
    assert faults == []
    assert table.class_names == ["0", "1", "2", "3"]
    assert table.labels.tolist() == [[0, 1, 0, 1]]


@pytest.mark.parametrize("separator", ["|", ";", " | "])
def test_class_names(read, separator):
    table, faults = read(f"ID,target\na,null{separator}Golgi\nb,N/A\nnull,\n")
    assert faults == []
    assert table.form == "names"
    assert table.class_names == ["Golgi", "N/A", "null"]
    assert table.labels.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert table.ids == ["a", "b", "null"]


@pytest.mark.parametrize(
    ("content", "classes", "expected"),
    [
        (
            "Id,Target\na,Golgi|ER\nb,golgi\nc,GOLGI;er\n",
            "Golgi\ngolgi\nGOLGI\nER\ner",
            "'ER' / 'er', 'GOLGI' / 'Golgi' / 'golgi'",
        ),
        ("Id,Golgi,golgi\na,1,0\nb,0,1\n", "Golgi\ngolgi", "'Golgi' / 'golgi'"),
    ],
)
def test_class_names_that_differ_only_in_case_are_a_warning(read, content, classes, expected):
    table, faults = read(content)
    assert faults == []
    assert table.warnings == [
        f"labels.csv: classes whose names differ only in capital and small letters are different classes: {expected}"
    ]
    assert read(content, classes)[0].warnings == []


def test_class_names_that_lie_beside_but_are_not_given_are_a_warning(read, tmp_path):
    said = [
        "labels.csv: the classes are called by their ids, though a classes.txt lies beside; "
        "if it names them, give it as classes_file"
    ]
    assert read("Id,Target\na,1 0\n")[0].warnings == []
    (tmp_path / "classes.txt").write_text("Golgi\nNuc\n")
    assert read("Id,Target\na,1 0\n")[0].warnings == said
    assert read("Id,Target\na,Nuc|Golgi\n")[0].warnings == []
    assert read("Id,Target\na,1 0\n", "Golgi\nNuc\n")[0].warnings == []


def test_a_class_that_reads_like_a_list_of_others_is_a_warning(read):
    table, faults = read('Id,Target\na,"Golgi, Nuc"\nb,Golgi|Nuc\nc,"nuc,golgi"\nd,"Rods, rings"\n')
    assert faults == []
    assert table.class_names == ["Golgi", "Golgi, Nuc", "Nuc", "Rods, rings", "nuc,golgi"]
    assert table.warnings == [
        "labels.csv: 'Golgi, Nuc', 'nuc,golgi' are classes of their own, but read like lists of others; "
        "separate class names by | or ;"
    ]
    assert read('Id,Target\na,"Golgi, Nuc"\nb,Golgi|Nuc\n', "Golgi\nNuc\nGolgi, Nuc\n")[0].warnings == []


def test_class_names_in_the_order_of_the_classes_file(read):
    table, faults = read("Id,Target\na,Rods; rings|Golgi\nb,Rods; rings\n", "Golgi\nRods; rings\n\n\n")
    assert faults == []
    assert table.labels.tolist() == [[1, 1], [0, 1]]


def test_a_column_for_each_class(read):
    table, faults = read("image,Zebra,Alpha,Split\nx,1,0,train\ny,,1,val\nz,1.0,0.0,TEST\n")
    assert faults == []
    assert table.form == "columns"
    assert table.class_names == ["Zebra", "Alpha"]
    assert table.labels.tolist() == [[1, 0], [UNKNOWN, 1], [1, 0]]
    assert table.split == ["train", "val", "test"]


def test_a_question_mark_makes_a_class_unknown(read):
    table, faults = read("Id,Target\na,2 ?0\nb,?01\nc,\nd,?\ne,1 ?\n", NAMES)
    assert faults == [] and table.form == "ids"
    unknown = UNKNOWN
    assert table.labels.tolist() == [[unknown, 0, 1], [0, unknown, 0], [0, 0, 0], [unknown] * 3, [unknown, 1, unknown]]
    table, faults = read("Id,Target\na,N/A|?Golgi\nb,? Cytosol;N/A\nc,?\n")
    assert faults == [] and (table.form, table.class_names) == ("names", ["Cytosol", "Golgi", "N/A"])
    assert table.labels.tolist() == [[0, unknown, 1], [unknown, 0, 1], [unknown] * 3]


def test_a_class_may_be_called_by_a_question_mark(read):
    table, faults = read("Id,Target\na,?odd\nb,??odd|Golgi\n", "Golgi\n?odd\n")
    assert faults == []
    assert table.labels.tolist() == [[0, 1], [1, UNKNOWN]]


@pytest.mark.parametrize(("empty_target", "expected"), [("none", [0, 0]), ("unknown", [UNKNOWN, UNKNOWN])])
def test_what_an_empty_target_means(tmp_path, empty_target, expected):
    (tmp_path / "labels.csv").write_text("Id,Target\na,0 1\nb,\n")
    table = read_labels(tmp_path / "labels.csv", None, Faults(), empty_target=empty_target)
    assert table.labels.tolist() == [[1, 1], expected]


def test_columns_follow_the_classes_file_and_others_are_named_as_unused(read):
    table, faults = read("Id,Cytosol,note,Golgi,Target\na,1,far,0,1\nb,0,near,,0\n", "Golgi\nCytosol\nTarget\n")
    assert faults == []
    assert table.labels.tolist() == [[0, 1, 1], [UNKNOWN, 0, 0]]
    assert len(table.warnings) == 1 and "'note'" in table.warnings[0]


def test_split_fold_and_group(read):
    table, faults = read("Id,Target,GROUP,Fold,split\na,0,g1,0,train\nb,1,,1,val\nc,1,007,,test\n")
    assert faults == []
    assert table.group == ["g1", "", "007"]
    assert table.fold.tolist() == [0, 1, -1]
    assert table.split == ["train", "val", "test"]


def test_columns_without_a_value_count_as_absent(read):
    table, faults = read("Id,Target,split,fold,group\na,0,,,\nb,0,,,\n")
    assert faults == []
    assert (table.split, table.fold, table.group) == (None, None, None)


def test_byte_order_mark_line_ends_blank_lines_and_trailing_commas(read):
    table, faults = read(b'\xef\xbb\xbfId,Target,\r\n a ,0 1,\r\n\r\n,,\r\n"b",1,\r\n', b"\xef\xbb\xbfx\r\ny\r\n")
    assert faults == []
    assert (table.ids, table.lines, table.class_names) == (["a", "b"], [2, 5], ["x", "y"])


def test_ids_and_names_are_composed(read):
    table, faults = read("Id,Target\ncafe\u0301,re\u0301seau|x\n", "r\u00e9seau\nx\n")
    assert faults == [] and table.ids == ["caf\u00e9"]
    assert table.labels.tolist() == [[1, 1]]


def test_equal_duplicates_are_merged_and_classes_given_twice_counted_once(read):
    table, faults = read("Id,Target\na,0 1\nb,1 1\na,1 0\n")
    assert faults == []
    assert table.ids == ["a", "b"] and table.lines == [2, 3]
    assert table.labels.tolist() == [[1, 1], [0, 1]]
    assert any("lines 3" in text for text in table.warnings)
    assert any("'a' (lines 2 and 4)" in text for text in table.warnings)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("Id,Target\na,0\nb,1\na,1\n", "different labels"),
        ("Id,Target,group\na,0,g\nb,1,h\na,0,h\n", "different group"),
        ("Id,x,y\na,0,1\nb,1,1\na,0,\n", "different labels"),
    ],
)
def test_different_duplicates_are_faults_that_name_both_lines(read, content, what):
    _, faults = read(content)
    assert len(faults) == 1
    assert faults[0].startswith("labels.csv, lines 2 and 4: Id 'a' twice") and what in faults[0]


def test_all_faults_are_listed_and_the_good_rows_read(read):
    content = "Id,Target\na,0\nb,31 1\nc,1,5\nd\n,1\ne,x\nf,-1\ng,1.5\nh,2\n"
    table, faults = read(content, NAMES)
    assert "labels.csv, line 3: class id 31 is out of range: classes.txt names 3 classes, ids 0 to 2" in faults
    assert sorted(text.split(":")[0] for text in faults) == [f"labels.csv, line {line}" for line in range(3, 10)]
    assert table.ids == ["a", "b", "e", "f", "g", "h"]
    assert table.labels[1].tolist() == [0, 1, 0]


def test_an_unknown_name_comes_with_the_nearest(read):
    _, faults = read("Id,Target\na,Golgi|Cytosl\nb,Golgi\nc,1\n", NAMES)
    assert faults[0] == "labels.csv, line 2: class name 'Cytosl' is not in classes.txt; did you mean 'Cytosol'?"
    assert faults[1].startswith("labels.csv, line 4: class name '1' is not in classes.txt")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "labels.csv is empty"),
        ("Id,Target\n", "labels.csv has a header but no rows"),
        ("a,0\nb,1\n", "no column Id; the columns are 'a', '0'; accepted are"),
        ("Id:Target\na:0\n", "no column Id; the columns are 'Id:Target'; accepted are"),
        ("Id;Target\na;Golgi;Cytosol\n", "line 2: 3 fields where the header has 2; separate class names by |"),
        ("Id,Target\na,0 ?0\nb,?\n", "line 2: '0' stands in one Target with and without ?; keep one"),
        ("Id,Target\na,0 ??1\nb,1\n", "line 2: '?1' is not a class id"),
        ("Id\na\n", "no column Target"),
        ("Id,Target,id\na,0,b\n", "columns of equal name: 'id'"),
        ("Id,x,x\na,0,1\n", "columns of equal name: 'x'"),
        ("Id,Target,x\na,0,1\nb,1,1\n", "'Target' may list class ids or be a class; give a classes_file"),
        ("Id,x,y\na,0,2\nb,1,1\nc,1,1\n", "line 2: column 'y' holds '2', not 0, 1 or empty"),
        ("Id,x,y\na,0,far\nb,1,near\nc,1,\n", "lines 2, 3: column 'y' holds 'far', not 0, 1 or empty"),
        ("Id,Target,split\na,0,train\nb,0,dev\n", "line 3: split 'dev' is none of train, val, test"),
        ("Id,Target,split\na,0,train\nb,0,\n", "lines 3: no split, though other rows have one"),
        ("Id,Target,fold\na,0,one\nb,0,1\n", "line 2: fold 'one' is not a whole number"),
        ("Id,Target,fold\na,0,-1\nb,0,1\n", "line 2: fold '-1' is not a whole number"),
        ("Id,Target,fold\na,0,1\nb,0,\n", "lines 3: no fold, though other rows have one"),
        ("Id,Target\na\0b,0\n", "line 2: 'a\\x00b,0' holds a NUL character"),
        ("Id,Target\na,0\0\n", "line 2: 'a,0\\x00' holds a NUL character"),
        ('Id,Target\n"a,0\nb,0\n', "line 2: not readable as CSV"),
        ('Id,Target\n"a,0\nb",0\n', "line 2: 'a,0\\nb' holds a line break or control character"),
        ('Id,Target\na,"Golgi\nb,Cytosol"\nc,Golgi\n', "line 2: 'Golgi\\nb,Cytosol' holds a line break or control"),
        ("Id,Target\na,0\nb," + "7" * 200_000 + "\n", "line 3: not readable as CSV"),
        ("Id,Target\na,0\nb," + "7" * 9_000 + "\n", "line 3: class id 77777777777777777777… is out of range"),
        ("Id,Target\na,0\nb,10000\n", "line 3: class id 10000 is out of range: without a classes_file ids"),
        ('Id,Target\na,0\nb,"0,6"\n', "line 3: '0,6' is not a class id; ids are whole numbers separated by spaces"),
        ("Id,Target\na,\nb,\n", "no row has a class and no classes_file names any"),
        ("Id,Target\na,0\n".encode("utf-16")[:-1], ": not UTF-16, as it begins; save it again"),
        (b"\xef\xbb\xbfId,Target\na,0\nb\xe9,1\n", "line 3: not UTF-8, as it begins; save it again"),
        (b"Id,Target\na\x81,0\n", "line 2: neither UTF-8, UTF-16 nor Windows-1252 text; save it again"),
        (
            "Id,Target\na,0\nклетка,1\n".encode("windows-1251"),
            "line 3: not UTF-8, and as Windows-1252 it reads 'êëåòêà,1'",
        ),
        ("Id,Target\n细胞核,1\n".encode("gbk"), "line 2: not UTF-8, and as Windows-1252 it reads"),
        ("Id,Target\nRéseau,1\n".encode("mac-roman"), "line 2: not UTF-8, and as Windows-1252 it reads"),
        ("Id,Target\né,0\n".encode() + b"\xe9,1\n", "line 3: a character that is not UTF-8, though others are"),
        (b"PK\x03\x04\x14\0", 'is a workbook, not text; save it from the spreadsheet as "CSV UTF-8"'),
    ],
)
def test_faults_of_the_file(read, content, expected):
    _, faults = read(content)
    assert any(expected in text for text in faults), faults
    assert all(text.startswith("labels.csv") for text in faults)


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ("", "classes.txt is empty"),
        ("a\nb\na\n", "classes.txt, line 3: class name 'a' is also in line 1"),
        ("a\n\nb\n", "classes.txt, line 2: no class name"),
        ("a\nb\0\n", "classes.txt, line 2: class name 'b\\x00' holds a control character"),
        (b"a\n\x81\n", "classes.txt, line 2: neither UTF-8, UTF-16 nor Windows-1252 text"),
    ],
)
def test_faults_of_the_classes_file(read, classes, expected):
    _, faults = read("Id,Target\na,0\n", classes)
    assert any(text.startswith(expected) for text in faults), faults


def test_missing_class_columns_are_named(read):
    _, faults = read("Id,Golgi,Cytosl\na,0,1\n", NAMES)
    assert len(faults) == 1
    assert "none for 'Cytosol', 'N/A' of classes.txt; the columns are 'Id', 'Golgi', 'Cytosl'" in faults[0]


def test_names_that_are_numbers_out_of_order_are_not_guessed(read):
    _, faults = read("Id,Target\na,1\nb,2\n", "1\n2\n3\n")
    assert len(faults) == 1 and "can be a class id and a class name" in faults[0]


def test_files_that_are_missing_or_folders(tmp_path):
    faults = Faults()
    table = read_labels(tmp_path / "none.csv", tmp_path, faults)
    assert len(faults) == 2 and all("cannot be read" in text for text in faults.texts)
    assert table.ids == [] and table.labels.shape == (0, 0)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(alphabet='Id,Target01 |;"\n\r\0x.-', max_size=200).map(str.encode)))
def test_no_content_raises_or_passes_in_silence(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "labels.csv"
    path.write_bytes(content)
    faults = Faults()
    table = read_labels(path, None, faults)
    assert len(table.ids) == len(table.lines) == len(table.labels) == len(set(table.ids))
    assert faults or table.ids


@settings(max_examples=50, deadline=None)
@given(st.data())
@pytest.mark.parametrize("form", ["ids", "names", "columns"])
def test_what_is_written_is_read_again(tmp_path_factory, form, data):
    known = ["Golgi", "N/A", "null", "a b", 'say "x"', "x,y", "é", "nan"]
    names = data.draw(st.lists(st.sampled_from(known), min_size=1, unique=True))
    possible = ["007", "7", "a b", "1.0", "x,y", 'say "x"', "é", "null", "-"]
    ids = data.draw(st.lists(st.sampled_from(possible), unique=True))
    labels = data.draw(arrays(np.uint8, (len(ids), len(names)), elements=st.sampled_from([0, 1, UNKNOWN])))
    folder = tmp_path_factory.mktemp("written")
    write_labels(folder / "labels.csv", ids, labels, names, form)
    (folder / "classes.txt").write_text("\n".join(names), encoding="utf-8")
    faults = Faults()
    table = read_labels(folder / "labels.csv", folder / "classes.txt", faults)
    if ids:
        assert faults.texts == []
        assert (table.ids, table.class_names) == (ids, names)
        np.testing.assert_array_equal(table.labels, labels)


@pytest.mark.parametrize("name", ["x|y", "x;y", "?x"])
def test_a_form_that_cannot_hold_the_names_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"\|"):
        write_labels(tmp_path / "labels.csv", ["a"], np.ones((1, 1), np.uint8), [name], "names")
    assert list(tmp_path.iterdir()) == []


def test_statistics_by_hand():
    rows = [[1, 1, 0, 0], [1, 0, UNKNOWN, 0], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, UNKNOWN]]
    labels = np.array(rows, dtype=np.uint8)
    found = label_statistics(labels)
    assert found["rows"] == 5
    assert found["positives"] == [4, 2, 1, 0]
    assert found["known"] == [5, 5, 4, 4]
    assert found["labels_per_image"] == pytest.approx(7 / 5)
    assert found["labels_per_image_histogram"] == [1, 2, 1, 1]
    assert found["rows_without_labels"] == 1
    assert found["label_density"] == pytest.approx(7 / 18)
    assert found["imbalance_ratio"] == [1.0, 2.0, 4.0, None]
    assert found["mean_imbalance_ratio"] == pytest.approx(7 / 3)
    assert label_statistics(labels[:0])["rows"] == 0
    with_unknown = label_statistics(np.vstack([labels, np.full((2, 4), UNKNOWN, np.uint8)]))
    assert with_unknown == {**found, "rows": 7}


@real_data
def test_the_challenge_rows_equal_a_plain_reading():
    faults = Faults()
    table = read_labels(DATA / "hpa" / "train.csv", DATA / "hpa" / "classes.txt", faults)
    with (DATA / "hpa" / "train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert not faults and table.warnings == []
    assert table.ids == [row["Id"] for row in rows]
    targets = [sorted(map(int, row["Target"].split())) for row in rows]
    assert [np.flatnonzero(row).tolist() for row in table.labels] == targets


@real_data
def test_the_blood_cells_with_their_bare_ids_and_empty_targets():
    faults = Faults()
    table = read_labels(DATA / "chula_rbc12" / "labels.csv", DATA / "chula_rbc12" / "classes.txt", faults)
    assert not faults
    assert len(table.ids) == 623 and table.ids[0] == "1"
    assert table.labels.sum(axis=0).tolist() == [346, 183, 180, 214, 264, 92, 258, 127, 82, 222, 34, 181, 32]
    empty = [name for name, row in zip(table.ids, table.labels, strict=True) if not row.any()]
    assert empty == ["53", "56"]
