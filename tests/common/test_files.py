"""Files that are never seen half-written."""

import pytest

from common.errors import Faults, InputError
from common.files import read_json, write_json, written_aside


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "notes.json"
    write_json(path, {"class": "Rods & rings µ"})
    with pytest.raises(RuntimeError), written_aside(path) as aside:
        aside.write_text("half")
        assert aside.suffix == ".json"
        raise RuntimeError
    assert read_json(path) == {"class": "Rods & rings µ"}
    assert [found.name for found in path.parent.iterdir()] == ["notes.json"]


def test_nan_is_not_written_as_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"value": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["{", "", '{"a": 1} extra', "\ud800"])
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "a.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match=r"a\.json is not valid JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(InputError, match="does not exist"):
        read_json(tmp_path / "b.json")


def test_faults_show_the_first_twenty_and_the_count():
    faults = Faults()
    faults.raise_if_any("nothing")
    for row in range(23):
        faults.add(f"row {row}")
    with pytest.raises(InputError) as caught:
        faults.raise_if_any("labels.csv has 23 faults:")
    lines = str(caught.value).splitlines()
    assert lines[0] == "labels.csv has 23 faults:"
    assert lines[1:21] == [f"  row {row}" for row in range(20)]
    assert lines[21:] == ["  … and 3 more"]
