"""The bench of training's memory, small."""

import re
import sys

import pytest

from bench import memory
from bench.watched import Watched

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")


def test_a_small_and_a_large_cache_are_trained_on(tmp_path, capsys):
    memory.main(memory.Config(count=40, small=20, size=16, batch_size=4, steps=2, epochs=1, rounds=1, folder=tmp_path))
    printed = capsys.readouterr().out
    assert "The large cache, 0.00 GB, fits into memory" in printed
    rows = re.findall(r"^(small|large), (\d+) images +[\d.]+ +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)$", printed, re.M)
    assert [row[:2] for row in rows] == [("small", "20"), ("large", "40")]
    for _, _, anonymous, resident, rate, ratio in rows:
        assert 0 < float(anonymous) < float(resident) and float(rate) > 0 and float(ratio) > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made-20-16", "made-40-16"]


def test_memory_of_a_child_counts():
    child = "import time; held = bytearray(60_000_000); time.sleep(1)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with Watched(["-c", code]) as running:
        running.wait()
    assert running.peak.main < 40e6 and running.peak.anonymous > 60e6 and running.peak.resident > 60e6


def test_what_fails_says_why():
    with Watched(["-c", "raise SystemExit('no luck')"]) as running, pytest.raises(RuntimeError, match="no luck"):
        running.wait()
