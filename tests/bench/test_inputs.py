"""The bench of the training input, small."""

import re

import keras
import pytest

import losses
from bench import inputs


def small(config, layers=()):
    """A network that compiles in no time, in place of a real one."""
    network = [keras.layers.Rescaling(1 / 255), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((config.size, config.size, 3), dtype="uint8"), *layers, *network])
    model.compile("adam", losses.build("bce"), jit_compile=False)
    return model


def test_every_contender_trains(capsys, monkeypatch):
    monkeypatch.setattr(inputs, "compiled", small)
    inputs.main(inputs.Config(size=32, images=12, classes=3, batch_size=4, steps=2, rounds=1))
    printed = capsys.readouterr().out
    rows = re.findall(r"^(\S.*?\S) {2,}([\d.]+) {2,}([\d.]+) {2,}([\d.]+)$", printed, re.MULTILINE)
    assert {inputs.BARE, *(name for name, *_ in rows)} == set(inputs.contenders(inputs.Config(), None, [], []))
    for _, rate, bare, ratio in rows:
        assert float(ratio) == pytest.approx(float(rate) / float(bare), abs=0.01), printed
