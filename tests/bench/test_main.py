"""All benches in turn."""

import importlib
from pathlib import Path

import pytest

from data.faults import InputError

everything = importlib.import_module("bench.__main__")


def test_every_bench_is_in_the_list():
    folder = Path(everything.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if "header.parse(" in path.read_text(encoding="utf-8")}
    assert files - {"__main__", "soak"} == set(everything.BENCHES)  # the soak takes an hour: make soak
    with pytest.raises(InputError, match="no such bench; there are balance, "):
        everything.main(everything.Config(only=("splits", "no such")))


def test_one_without_its_data_is_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CELL_DATA", str(tmp_path))
    everything.main(everything.Config(only=("balance",)))
    assert f"balance: left out, as {tmp_path / 'hpa' / 'train.csv'} is not there" in capsys.readouterr().out


def test_the_others_run_after_one_that_fails(monkeypatch, tmp_path, capfd):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CELL_DATA", str(tmp_path))
    benches = {"splits": {"no_such_option": "file"}, "gpu": {"no_such_option": "file"}}
    monkeypatch.setattr(everything, "BENCHES", benches)
    with pytest.raises(SystemExit, match=r"^failed: splits$"):
        everything.main(everything.Config())
    assert "python -m bench.gpu" in capfd.readouterr().out
