"""The bench of how time grows, small."""

import numpy as np
import pytest

from bench import scaling


def test_the_slope_is_the_power():
    rows = (10, 100, 1000)
    assert scaling.slope(rows, [3 * n**1.5 for n in rows], 0) == pytest.approx(1.5)
    assert scaling.slope(rows, [7, *(2.0 * n for n in rows[1:])], 2) == pytest.approx(1)


def test_every_question_has_a_row(capsys):
    scaling.main(scaling.Config(rows=(60, 120), classes=4, draws=2, repetitions=1))
    lines = capsys.readouterr().out.splitlines()
    labels, scores = scaling.made(60, 4, 0)
    for name in scaling.questions(labels, scores, scaling.Config(classes=4, draws=2)):
        row = next(line for line in lines if line.startswith(f"{name}  "))
        assert np.isfinite([float(cell) for cell in row[len(name) :].split()]).all()
