"""What config.json must hold before anything of it is used, as people edit it and copy runs together."""

from collections.abc import Callable
from typing import Any

from data.cache.cache import classes_fault
from data.labels.hierarchy import tree_fault


def config_fault(config: dict[str, Any]) -> str:
    """What is wrong with a run's config, in words; empty where nothing is.

    Only what later scripts read is looked at, and of that what is there: older runs lack some of it.
    """
    cache = config.get("cache")
    if not isinstance(cache, dict) or not {"class_names", "preparation", "counts"} <= set(cache):
        return "it lacks the description of its cache"
    if fault := classes_fault(cache):
        return f"cache: {fault}"
    for place, held, kinds in (
        ("", config, KINDS),
        ("cache: ", cache, KINDS_OF_CACHE),
        ("config: ", config.get("config", {}), KINDS_OF_SETTINGS),
    ):
        for name, (fits, words) in kinds.items():
            if name in held and not fits(held[name]):
                return f"{place}{name} must be {words}"
    if len(config.get("shown_rates", cache["class_names"])) != len(cache["class_names"]):
        return "shown_rates must have a number for each class"
    fault = tree_fault(cache["hierarchy"], len(cache["class_names"])) if cache.get("hierarchy") else ""
    return fault and f"cache: {fault}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_warning_of_class(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in ("class", "text"))


def _list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


A_TEXT, TEXTS = (_is_text, "a text"), (_list_of(_is_text), "a list of texts")
NUMBERS = (_list_of(_is_number), "a list of numbers")
KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "config": (lambda value: isinstance(value, dict), "the settings by their names"),
    "versions": (lambda value: isinstance(value, dict), "the packages' versions by their names"),
    "warnings": TEXTS,
    "argv": TEXTS,
    "created": A_TEXT,
    "shown_rates": NUMBERS,
    "soft_labels": TEXTS,
}
KINDS_OF_CACHE = {
    "parted": (_is_number, "a number"),
    "giveaways": (_list_of(_is_warning_of_class), "a list with a class and a text each"),
    "all_class_names": TEXTS,
}
KINDS_OF_SETTINGS = {
    "cache_dir": A_TEXT,
    "run_dir": A_TEXT,
    "loss": A_TEXT,
    "extra_losses": TEXTS,
    "augmented": TEXTS,
    "label_smoothing": (_is_number, "a number"),
    "mixing": A_TEXT,
    "score_scales": NUMBERS,
    "score_views": A_TEXT,
}
