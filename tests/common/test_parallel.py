"""Work in parallel: every result with its number, in this process and in others, progress in a log, and its end."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from common import parallel
from common.errors import InputError
from common.parallel import in_parallel, shown
from data.cache import cache_writer
from data.images import white_level
from data.images.preparation import Preparation
from data.splits import survey

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


def test_durations_are_in_words():
    words = [parallel._duration(seconds) for seconds in (59.4, 60, 3599, 7260)]
    assert words == ["59 s", "1 min 0 s", "59 min 59 s", "2 h 1 min"]


def test_a_worker_killed_from_outside_is_explained():
    with pytest.raises(InputError, match="fewer --workers"):
        list(in_parallel(os._exit, [(1,), (1,)], [1, 1], 2, "Dying"))


def test_workers_import_no_framework():
    heavy = {"keras", "tensorflow", "pandas", "matplotlib", "sklearn", "cv2", "tifffile", "imagecodecs"}
    code = f"import sys, data.splits.survey, data.cache.cache_writer; print({heavy} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


class Results:
    """Numbered results, and whether they were closed."""

    def __init__(self, *results) -> None:
        self.closed = False
        self.generator = self._given(results)

    def _given(self, results):
        try:
            yield from enumerate(results)
        finally:
            self.closed = True


def shown_on_a_log(results, folder):
    with closing(shown(results, [1] * 3, "Working")) as each:
        for _ in each:
            raise KeyError


def cached(results, folder):
    with cache_writer.CacheWriter(folder / "cache", False) as writer:
        writer.begin({})
        writer.decode([folder / "a.png"], ["a"], Preparation(16, "stretch", "rgb"), 1)


def checked(results, folder):
    survey.check_decoding([folder / "a.png"], Preparation(16, "stretch", "rgb"), 1, thumbnails=False)


def counted(results, folder):
    white_level.sampled_histogram(Preparation(16, "stretch", "rgb"), [folder / "a.png"], 1)


@pytest.mark.parametrize("reads", [shown_on_a_log, cached, checked, counted])
def test_work_ends_with_who_asked_for_it_though_the_error_is_kept(reads, tmp_path, monkeypatch):
    results = Results(*"what no caller can use")
    for module in (cache_writer, survey, white_level):
        monkeypatch.setattr(module, "in_parallel", lambda *_: results.generator)
    # The second result is of a task that there is not.
    with pytest.raises((KeyError, IndexError, ValueError, TypeError)) as kept:
        reads(results.generator, tmp_path)
    assert results.closed and kept.tb
