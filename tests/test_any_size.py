"""Images of several sizes through all scripts: scales on a square cache, and a cache of several shapes."""

import dataclasses

import numpy as np
import pytest

import run_folder
import train
from data.cache import open_cache
from data.faults import InputError


def trained(cache, run, **options):
    """Train in this process, as the script would."""
    common = {"epochs": 1, "train_metrics_every": 0, "batch_size": 16}
    train.main(dataclasses.replace(train.Config(cache_dir=cache, run_dir=run), **{**common, **options}))
    return run_folder.open_run(run)


def test_scales_alternate_and_scores_are_means_over_views(made_cache, tmp_path, capsys):
    run = trained(
        made_cache, tmp_path / "run", epochs=3, pyramid_levels=(1, 2), train_scales=(1.0, 1.5, 1.25),
        score_scales=(1.0, 1.5), score_views="flips",
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert "Scales: 1, 1.5, 1.25, an epoch each in turn" in printed
    assert "Final scores: the mean over 8 views (flips) at the scales 1, 1.5" in printed
    model, stored = run.load_model(), run.scores("val")
    assert model.input_shape == (None, None, None, 3)
    cache = open_cache(made_cache)
    images = cache.gather(cache.rows("val"))
    expected = np.mean([np.asarray(model(view, training=False)) for view in run.views.of(images)], axis=0)
    np.testing.assert_allclose(stored.scores, expected, rtol=1e-3, atol=1e-5)
    single = np.asarray(model(images, training=False))
    assert np.abs(single - expected).max() > 1e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_scales": (1.0, 0.5)}, "train_scales: model = cnn flattens its last maps"),
        ({"score_views": "crops"}, "score_views = crops: model = cnn flattens its last maps"),
        ({"model": "residual", "score_scales": (0.5,)}, "residual needs images of 32 pixels or more, not 16 × 16"),
        ({"model": "residual", "score_views": "crops"}, "needs images of 32 pixels or more, not 28 × 28"),
        ({"train_scales": (1.0, 1.0)}, "train_scales = 1, 1: must be one or more different numbers"),
    ],
)
def test_what_a_model_does_not_take_is_refused_by_name(options, message, made_cache, tmp_path):
    with pytest.raises(InputError, match=message):
        trained(made_cache, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()
