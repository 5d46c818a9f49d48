"""The bench of preprocessing, small."""

import re

from bench import preprocess
from bench.preprocess_files import KINDS


def test_contenders_read_every_kind_of_file(capsys):
    preprocess.main(preprocess.Config(images=3, different=1, size=16, large=64, small=48, rounds=1))
    printed = capsys.readouterr().out
    assert all(f"{kind} to 16², 3 files" in printed for kind in KINDS.values())
    rows = re.findall(
        r"^(preprocess\.py|Pillow loop|OpenCV, threads) +[\d.]+ +[\d.]+ +([\d.]+)$", printed, re.MULTILINE
    )
    assert len(rows) == 3 * len(KINDS) and all(float(decibels) > 30 for _, decibels in rows), printed
    assert printed.count("decoding alone") == len(KINDS)
