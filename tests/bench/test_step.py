"""The bench of the training step, small."""

import re

import pytest

from bench import contender, step


def rows(printed):
    found = re.findall(r"^(\S.*?\S) {2,}([\d.]+) {2,}([\d.]+) {2,}[\d.]+$", printed, re.MULTILINE)
    return {name: (float(milliseconds), float(rate)) for name, milliseconds, rate in found}


def test_ours_and_stock_take_steps_in_turn(capsys, monkeypatch):
    monkeypatch.setattr(step.importlib.util, "find_spec", lambda name: None)
    step.main(step.Config(models=("cnn",), size=32, batch_size=4, classes=3, steps=1, rounds=2))
    printed = capsys.readouterr().out
    assert "PyTorch is left out: torch and torchvision cannot be imported" in printed
    found = rows(printed)
    assert set(found) == {step.STOCK, step.OURS}
    assert [one * rate for one, rate in found.values()] == pytest.approx([4 * 1000] * 2, rel=0.1)


def test_choices_begin_with_what_train_takes():
    found = step.choices({"model": "cnn"})
    assert len(found) == 4 and [name.endswith("as train.py") for name in found] == [True, False, False, False]
    assert {(each["xla"], each["precision"]) for each in found.values()} == {
        (xla, precision) for xla in (False, True) for precision in step.PRECISIONS
    }


def test_a_contender_that_fails_says_why():
    with pytest.raises(RuntimeError, match="KeyError: 'no such'"):
        contender.Contender("bench.step_contenders", {"contender": "no such"})
