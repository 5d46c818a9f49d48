"""How single figures are written."""

import pytest

from report.formatting import cut


@pytest.mark.parametrize(
    ("threshold", "written"),
    [(0.5, "0.500"), (0.9994, "0.999"), (0.99996, "0.999960"), (1.0, "1.000"), (0.0, "0.000"), (3e-5, "0.000030"),
     (1e-7, "<0.000001"), (1 - 1e-7, ">0.999999"),
     (1.5, "never"), (float("nan"), "–")],
)  # fmt: skip
def test_no_threshold_between_0_and_1_is_written_as_one_of_them(threshold, written):
    assert cut(threshold) == written
