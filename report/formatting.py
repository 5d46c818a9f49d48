"""How numbers, thresholds and intervals are written."""

from collections.abc import Callable, Sequence

from evaluation.decision import never_predicted

OFF_CENTRE = "off-centre: a draw that has no image of a rare class leaves the class out"


def percent(share: float) -> str:
    """A share as `12.3 %`; a dash where it is not defined."""
    return "–" if share != share else f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def number(value: float) -> str:
    """A ratio with three decimals; a dash where it is not defined."""
    return "–" if value != value else f"{value:.3f}"


def cut(threshold: float) -> str:
    """A threshold: three decimals, six or a bound where these would say 0 or 1; `never` where no score reaches it."""
    if never_predicted(threshold):
        return "never"
    if 0 < threshold < 0.0005:
        return f"{threshold:.6f}" if threshold >= 1e-6 else "<0.000001"
    if 0.9995 <= threshold < 1:
        return f"{threshold:.6f}" if threshold <= 1 - 1e-6 else ">0.999999"
    return number(threshold)


def signed(value: float) -> str:
    """A difference with its sign and three decimals; a dash where it is not defined."""
    return "–" if value != value else f"{value:+.3f}".replace("-", "−")


def between(span: Sequence[float] | None, each: Callable[[float], str] = number) -> str:
    """An interval as `0.123 to 0.456`; a dash where it is not defined."""
    return "–" if span is None or span[0] != span[0] else f"{each(span[0])} to {each(span[1])}"


def off_centre(value: float, span: Sequence[float]) -> bool:
    """Whether a figure lies in the lowest or the highest quarter of its interval, or beside it."""
    low, high = span
    return low < high and not low + (high - low) / 4 <= value <= high - (high - low) / 4
