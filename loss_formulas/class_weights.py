"""Class weights from training counts: n_k known positive and m_k known negative rows of class k."""

from collections.abc import Callable, Sequence

import numpy as np


def inverse(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """w⁺_k = m_k / n_k: the positives of a class weigh as much as its negatives, all together."""
    return negatives / positives


def sqrt_inverse(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """w⁺_k = √(m_k / n_k): half of that correction on a log scale, for sets where the full one is too loud."""
    return np.sqrt(negatives / positives)


def effective_number(positives: np.ndarray, negatives: np.ndarray, beta: float = 0.999) -> np.ndarray:
    """w⁺_k = E(m_k) / E(n_k) with E(n) = (1 − βⁿ) / (1 − β), the effective number of samples (Cui et al. 2019, eq. 2).

    β = 0 gives 1 and β → 1 gives `inverse`.
    """
    return (1.0 - beta**negatives) / (1.0 - beta**positives)


SCHEMES: dict[str, Callable[..., np.ndarray]] = {
    "inverse": inverse,
    "sqrt_inverse": sqrt_inverse,
    "effective_number": effective_number,
}


def class_weights(
    scheme: str,
    positives: Sequence[float],
    negatives: Sequence[float],
    max_weight: float = np.inf,
    effective_beta: float = 0.999,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights computed from training counts: n_k known positive and m_k known negative rows of class k.

    `inverse`, `sqrt_inverse` and `effective_number` give w⁺ by their own formulas (see those functions) and w⁻ = 1;
    w⁺ is cut off at `max_weight`. `balanced` gives w⁺_k = N_k / (2·n_k) and w⁻_k = N_k / (2·m_k) with N_k = n_k + m_k,
    as scikit-learn's "balanced" does, so that a class's weights average 1 over its rows; both are cut off. A class
    without positives, or without negatives, gets 1 and 1: there is nothing to balance.

    Args:
        scheme: `balanced` or a key of `SCHEMES`.
        positives, negatives: (K,) counts.
        max_weight: the largest weight given, above 0.
        effective_beta: β of `effective_number`, between 0 and 1.

    Returns:
        (w⁺, w⁻), each (K,) float64.

    Raises:
        ValueError: the scheme is unknown.
    """
    positives, negatives = np.asarray(positives, np.float64), np.asarray(negatives, np.float64)
    usable = (positives > 0) & (negatives > 0)
    n, m = np.where(usable, positives, 1.0), np.where(usable, negatives, 1.0)
    if scheme == "balanced":
        positive, negative = (n + m) / (2 * n), (n + m) / (2 * m)
    elif scheme in SCHEMES:
        options = {"beta": effective_beta} if scheme == "effective_number" else {}
        positive, negative = SCHEMES[scheme](n, m, **options), np.ones_like(m)
    else:
        raise ValueError(f"unknown scheme {scheme!r}; known: balanced, {', '.join(SCHEMES)}")
    return (
        np.where(usable, np.minimum(positive, max_weight), 1.0),
        np.where(usable, np.minimum(negative, max_weight), 1.0),
    )
