"""What a run is fed, in words."""

import dataclasses

import numpy as np
import pytest

import train
from data.cache import open_cache
from data.partition import with_classes
from training.inputs import Inputs


@pytest.fixture
def said(made_cache):
    cache = open_cache(made_cache)
    return lambda **options: "\n".join(
        Inputs(dataclasses.replace(train.Config(), **options), cache, cache.rows("train")).words()
    )


def test_sampling_that_changes_nothing_is_said(said):
    printed = said(sampling="repeat_factors", repeat_threshold=1e-6)
    assert "Warning: no class is in fewer than --repeat_threshold 1e-06 of the images (the rarest in 0.0" in printed
    assert printed.count("changes nothing") == 1
    assert "changes nothing" not in said(sampling="repeat_factors", repeat_threshold=0.9)
    assert "changes nothing" not in said()


def test_a_part_of_the_classes_is_shown_with_as_many_negatives_as_asked(made_cache):
    cache = open_cache(made_cache)
    small, _ = with_classes(cache, ("small",), 0)
    rows = cache.rows("train")
    inputs = Inputs(dataclasses.replace(train.Config(), negatives=0.5), small, rows)
    positive = small.labels[rows].any(axis=1)
    assert (inputs.expected[positive] == 1).all()
    assert inputs.expected[~positive].sum() == pytest.approx(0.5 * positive.sum())
    shown = f"{0.5 * positive.sum():,.0f} of {(~positive).sum()} an epoch"
    assert f"Images without any of these classes: {shown}" in "\n".join(inputs.words())
    # Class weights come from what is shown, the rates that thresholds match from all rows.
    assert inputs.counts()[1].sum() < (small.labels[rows] == 0).sum()
    np.testing.assert_array_equal(small.meta["counts"]["train"]["known"], [len(rows)] * len(small.class_names))
    every = Inputs(dataclasses.replace(train.Config(), negatives=0.0), small, rows)
    assert (every.expected == 1).all() and "without any" not in "\n".join(every.words())
