"""What a run is fed, in words."""

import dataclasses

import pytest

import train
from data.cache import open_cache
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
