"""The bench of preprocessing's memory, small."""

import re
import sys

import pytest

from bench import preprocess_memory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_ours_and_the_loop_are_watched(capsys):
    preprocess_memory.main(preprocess_memory.Config(counts=(60,), size=16, classes=3, workers=1))
    printed = capsys.readouterr().out
    found = re.search(r"^60 +(\d+) +(\d+) +[\d,]+ +(\d+) +[\d.]+$", printed, re.M)
    assert found and int(found[1]) >= int(found[2]) > 0 and int(found[3]) > 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_an_array_that_does_not_fit_is_worked_out(capsys):
    preprocess_memory.main(preprocess_memory.Config(counts=(40,), size=16, classes=3, workers=1, share=0.0))
    assert " 0 (worked out)" in capsys.readouterr().out
