"""All benches in turn."""

import importlib
from contextlib import nullcontext
from pathlib import Path

import pytest

from bench import gpu
from common.errors import InputError

everything = importlib.import_module("bench.__main__")


def test_every_bench_is_in_the_list():
    folder = Path(everything.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if "header.parse(" in path.read_text(encoding="utf-8")}
    assert files - {"__main__", "soak", "mutations"} == set(everything.BENCHES)  # no speeds
    with pytest.raises(InputError, match="no such bench; there are balance, "):
        everything.main(everything.Config(only=("splits", "no such")))


def test_one_without_its_data_is_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CELL_DATA", str(tmp_path))
    everything.main(everything.Config(only=("balance",)))
    assert f"balance: left out, as {tmp_path / 'hpa' / 'train.csv'} is not there" in capsys.readouterr().out


def test_the_others_run_after_one_that_fails(monkeypatch, tmp_path, capfd):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CELL_DATA", str(tmp_path))
    benches = {name: {"no_such_option": "file"} for name in ("splits", "balance")}
    monkeypatch.setattr(everything, "BENCHES", benches)
    with pytest.raises(SystemExit, match=r"^failed: splits, balance$"):
        everything.main(everything.Config())
    assert "python -m bench.balance" in capfd.readouterr().out


@pytest.mark.parametrize("seen", [False, True])
def test_that_of_the_gpu_may_lack_one_but_may_not_fail_on_one(seen, monkeypatch, tmp_path, capfd):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CELL_DATA", str(tmp_path))
    monkeypatch.setattr(everything, "BENCHES", {"gpu": {"no_such_option": "file"}})
    monkeypatch.setattr(gpu, "seen", lambda: seen)
    with pytest.raises(SystemExit, match=r"^failed: gpu$") if seen else nullcontext():
        everything.main(everything.Config())
    assert ("gpu: left out, as bench.gpu needs an NVIDIA GPU" in capfd.readouterr().out) != seen
