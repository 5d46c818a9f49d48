"""The bench of how scripts start, small."""

import re

import pytest

from bench import start


def test_every_start_is_timed(capsys, monkeypatch):
    monkeypatch.setattr(start, "SCRIPTS", ("train.py",))
    start.main(start.Config(rounds=1, size=16, images=20, batch_size=4))
    printed = capsys.readouterr().out
    seconds = dict(re.findall(r"^(\S.*?\S) {2,}([\d.]+) {2,}[\d.]+$", printed, re.MULTILINE))
    assert set(seconds) == {"train.py --help", start.KERAS, start.STEP}
    later = float(re.search(r"The first step comes (-?[\d.]+) s after", printed)[1])
    assert later == pytest.approx(float(seconds[start.STEP]) - float(seconds[start.KERAS]), abs=0.02)
