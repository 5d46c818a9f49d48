"""The interval of a difference between recipes that were trained with several seeds each: other images, other seeds."""

import math

import numpy as np

from evaluation.bootstrap import LEVEL


def interval(
    gap: float, drawn: np.ndarray, first: np.ndarray, other: np.ndarray, units: int
) -> tuple[float, float, float]:
    """Return an interval that covers which images are in the split and which seeds the runs were trained with.

    The variance of the difference is V = V_images + s² (1/A + 1/B). V_images is that of the bootstrap over images, with
    the runs as they are. s² is the pooled variance between the A and the B seeds on the same images. The ends are
    gap ± t(ν) √V with the degrees of freedom ν = V² / (V_images² / (U − 1) + (V − V_images)² / (A + B − 2))
    (Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics Bulletin 1946). That
    seeds count as much as images: Bouthillier et al., "Accounting for variance in machine learning benchmarks", MLSys
    2021. What images and seeds do together is in both parts, so the interval is rather too wide than too narrow.

    Args:
        gap: the figure of the first recipe − that of the other.
        drawn: (draws,) the same in each draw of images.
        first, other: (A,) and (B,) the figure of each run, all of them on the same images; A + B > 2.
        units: U, how many images or groups were drawn.

    Returns:
        The lower and upper end, and the deviation between seeds s; nan where one is not defined.
    """
    from scipy.special import stdtrit  # here, because SciPy takes long to import

    freedom = len(first) + len(other) - 2
    squares = sum(((values - values.mean()) ** 2).sum() for values in (first, other))
    between = squares / freedom * (1 / len(first) + 1 / len(other))
    drawn = drawn[~np.isnan(drawn)]
    by_image = drawn.var(ddof=1) if len(drawn) > 1 else math.nan
    whole = by_image + between
    below = by_image**2 / max(units - 1, 1) + between**2 / freedom
    reach = float(stdtrit(whole**2 / below, (1 + LEVEL) / 2)) * math.sqrt(whole) if below else whole
    return gap - reach, gap + reach, math.sqrt(squares / freedom)
