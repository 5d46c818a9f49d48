"""The bench of training on a GPU, on a CPU and small."""

import re

import pytest

from bench import gpu
from common.errors import InputError


def test_it_runs_on_a_cpu_where_it_is_told_to(capsys, monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda name: None)
    gpu.main(
        gpu.Config(
            models=("cnn",), size=32, batch_size=8, classes=3, images=40, steps=2, rounds=1, matrix=64, on_cpu=True
        )
    )
    printed = capsys.readouterr().out
    assert "PyTorch is left out: torch and timm cannot be imported" in printed
    found = re.search(r"^cnn, 8 of 32² +([\d,]+) +[\d.]+ +([\d.]+) +([\d,]+) +([\d.]+) +left out", printed, re.M)
    assert found and float(found[2]) > 0 and 0 <= float(found[4]) < 1


def test_without_a_gpu_it_says_what_it_needs(monkeypatch):
    monkeypatch.setattr(gpu, "SEES", "raise SystemExit(1)")
    with pytest.raises(InputError, match=r"needs an NVIDIA GPU, and pip install .* --on_cpu"):
        gpu.main(gpu.Config())
