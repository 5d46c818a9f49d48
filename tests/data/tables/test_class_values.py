"""CSV files of numbers by class: read in any order of rows and columns, each fault named with its line."""

import numpy as np
import pytest

from common.errors import InputError
from data.tables.class_values import read_class_values

NAMES = ["Golgi", "Cytosol", "Rods & rings"]


def read(tmp_path, text, columns=None, **options):
    path = tmp_path / "weights.csv"
    path.write_text(text, encoding="utf-8")
    return read_class_values(path, NAMES, columns or {"positive": None, "negative": 1.0}, **options)


def test_rows_are_put_in_the_order_of_the_classes(tmp_path):
    found = read(tmp_path, "negative,class,note,positive\n1,Rods & rings,rare,12.5\n0.5,Golgi,,2\n1,Cytosol,,0\n")
    np.testing.assert_array_equal(found["positive"], [2, 0, 12.5])
    np.testing.assert_array_equal(found["negative"], [0.5, 1, 1])


def test_a_column_may_be_left_out_and_a_spreadsheet_may_write_commas(tmp_path):
    found = read(tmp_path, "Class;Positive\nGolgi;1,5\nCytosol;2\nRods & rings;3\n")
    np.testing.assert_array_equal(found["positive"], [1.5, 2, 3])
    np.testing.assert_array_equal(found["negative"], [1, 1, 1])


def test_every_fault_is_named_with_its_line(tmp_path):
    with pytest.raises(InputError) as caught:
        read(tmp_path, "class,positive\nGolgi,-1\nGolgy,2\nCytosol,much\nCytosol,1\n")
    said = str(caught.value)
    for expected in (
        "weights.csv cannot be used:",
        "line 2: positive '-1' must be a number 0 or more",
        "line 3: unknown class 'Golgy'",
        "line 4: positive 'much' must be a number 0 or more",
        "line 5: class 'Cytosol' is also in line 4",
        "no row for 'Rods & rings'",
    ):
        assert expected in said
    with pytest.raises(InputError, match=r"line 3: positive '1\.5' must be a number from 0 to 1"):
        read(tmp_path, "class,positive\nGolgi,0.1\nCytosol,1.5\nRods & rings,1\n", highest=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [("class,weight\nGolgi,1\n", "no column positive; its columns are .class., .weight."),
     ("positive\n1\n", "no column class"), ("", "no header|is empty|no rows")],
)  # fmt: skip
def test_missing_columns_are_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)
