"""The tables beside labels.csv: trees, rates, lists of images; fed with all that labels.csv is fed with, and more."""

import math

import bad_csv_cases
import csv_cases
import pytest
from feeding import fed

from common.errors import Faults, InputError
from data.images.channels import read_path_columns
from data.images.prediction_inputs import sample_ids
from data.labels.hierarchy import read_tree
from data.tables.class_values import read_class_values

TABLES = {
    name: table.content
    for name, table in {**csv_cases.CASES, **bad_csv_cases.CASES}.items()
    # Of what takes long, one is enough here.
    if not name.startswith("10 MB") or name == "10 MB of quotes"
}
CLASSES = ["x", "y"]
RATES = {
    "NaN": "class,rate\nx,NaN\ny,0.1\n",
    "infinity": "class,rate\nx,inf\ny,0.1\n",
    "a negative number": "class,rate\nx,-0.1\ny,0.1\n",
    "more than all": "class,rate\nx,1.5\ny,0.1\n",
    "a number without end": f"class,rate\nx,{'9' * 5000}\ny,0.1\n",
    "an empty cell": "class,rate\nx,\ny,0.1\n",
    "an underscore": "class,rate\nx,1_0\ny,0.1\n",
    "a class twice": "class,rate\nx,0.1\nx,0.2\ny,0.1\n",
    "a class too few": "class,rate\nx,0.1\n",
    "an unknown class": "class,rate\nx,0.1\ny,0.1\nz,0.1\n",
    "an escape": "class,rate\nx,0.1\ny,0.1\n\x1b[2Jz,0.1\n",
    "a column twice": "class,rate,rate\nx,0.1,0.2\ny,0.1,0.2\n",
    "a column of an escape": "class,\x1b[2Jrat\nx,0.1\ny,0.1\n",
}
TREES = {
    "a class below itself": "class,parent\nx,x\ny,\n",
    "a circle": "class,parent\nx,y\ny,x\n",
    "a long circle": "class,parent\nx,a\ny,\na,b\nb,c\nc,d\nd,a\n",
    "a parent without a row": "class,parent\nx,z\ny,\n",
    "a class twice": "class,parent\nx,\nx,\ny,\n",
    "a class too few": "class,parent\nx,\n",
    "no name": "class,parent\nx,\n,x\ny,\n",
    "an escape": "class,parent\nx,\ny,\n\x1b[2J,x\n",
    "an escape for a parent": "class,parent\nx,\x1b[2J\ny,\n",
    "a line break": 'class,parent\nx,\ny,\n"a\nb",x\n',
    "a column too many": "class,parent,\x1b[2J\nx,,\ny,,\n",
}  # fmt: skip


def in_folder(folder, content: bytes):
    (folder / "table.csv").write_bytes(content)
    return folder / "table.csv"


@pytest.mark.parametrize("name", TABLES)
def test_any_table_is_read_or_refused_in_clear_lines(tmp_path, name):
    path = in_folder(tmp_path, TABLES[name])

    def listed() -> None:
        faults = Faults()
        ids, lines = sample_ids(path, faults)
        faults.raise_if_any("table.csv cannot be used:")
        assert len(ids) == len(lines) > 0

    def channels() -> None:
        faults = Faults()
        assert read_path_columns(path, "dapi,gfp", faults) is None or not faults
        faults.raise_if_any("table.csv cannot be used:")

    said, _ = fed(lambda: read_class_values(path, CLASSES, {"rate": None}), tmp_path)
    assert "table.csv" in said
    said, _ = fed(lambda: read_tree(path, CLASSES), tmp_path)
    assert "table.csv" in said
    fed(listed, tmp_path)
    fed(channels, tmp_path)


@pytest.mark.parametrize("name", RATES)
def test_rates_that_are_none_are_named(tmp_path, name):
    path, highest = in_folder(tmp_path, RATES[name].encode()), 1.0 if name == "more than all" else math.inf
    said, _ = fed(lambda: read_class_values(path, CLASSES, {"rate": None}, highest), tmp_path)
    assert said.startswith("error: ") and "table.csv" in said


@pytest.mark.parametrize("name", TREES)
def test_trees_that_are_none_are_named(tmp_path, name):
    path = in_folder(tmp_path, TREES[name].encode())
    said, _ = fed(lambda: read_tree(path, CLASSES), tmp_path)
    assert said.startswith("error: ") and "table.csv" in said


def test_a_number_as_a_spreadsheet_writes_it_is_read(tmp_path):
    path = in_folder(tmp_path, b"class;rate\nx;0,25\ny;1e-3\n")
    assert read_class_values(path, CLASSES, {"rate": None})["rate"].tolist() == [0.25, 0.001]
    with pytest.raises(InputError, match="no column rate"):
        read_class_values(in_folder(tmp_path, b"class\nx\ny\n"), CLASSES, {"rate": None})
