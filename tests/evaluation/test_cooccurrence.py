"""Which labels occur together, against a loop over images."""

import numpy as np
import pytest

from common.labels import UNKNOWN
from evaluation.cooccurrence import pairs


def test_pairs_equal_a_loop():
    random = np.random.default_rng(4)
    labels = random.choice([0, 0, 1, UNKNOWN], (70, 4)).astype(np.uint8)
    labels[:, 3] = 0
    predictions = random.random(labels.shape) < 0.3
    found = pairs(labels, predictions)
    for one in range(4):
        for other in range(4):
            known = [row for row in range(70) if labels[row, one] <= 1 and labels[row, other] <= 1]
            for name, present in (("true", labels == 1), ("predicted", predictions)):
                having = [row for row in known if present[row, one]]
                both = sum(present[row, other] for row in having)
                assert found[name][one, other] == both
                share = both / len(having) if having else np.nan
                assert found[f"{name}_share"][one, other] == pytest.approx(share, nan_ok=True)
