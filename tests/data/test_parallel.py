"""Work in parallel: every result with its number, in this process and in others, and progress in a log."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.faults import InputError
from data.parallel import in_parallel

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_with_the_numbers_of_their_tasks(workers, capsys):
    tasks = [(number, 2) for number in range(7)]
    results = dict(in_parallel(pow, tasks, [3] * 7, workers, "Squaring"))
    assert results == {number: number**2 for number in range(7)}
    assert "Squaring: 21 of 21, " in capsys.readouterr().out


def test_nothing_to_do_says_nothing(capsys):
    assert list(in_parallel(pow, [], [], 2, "Squaring")) == []
    assert capsys.readouterr().out == ""


def test_a_worker_killed_from_outside_is_explained():
    with pytest.raises(InputError, match="fewer --workers"):
        list(in_parallel(os._exit, [(1,), (1,)], [1, 1], 2, "Dying"))


def test_workers_import_no_framework():
    heavy = {"keras", "tensorflow", "pandas", "matplotlib", "sklearn", "cv2", "tifffile", "imagecodecs"}
    code = f"import sys, data.survey, data.cache_writer; print({heavy} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
