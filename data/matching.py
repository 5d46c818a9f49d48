"""Which image file each row of the labels means."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from data.decoding import stems
from data.faults import Faults, InputError
from data.images import find_images

MISSING = "no such image"
STRIPPED = "were zeros stripped by a spreadsheet?"
UNSTRIP = "Give the Id column the format Text (or 000) in the spreadsheet and save it again, or mend the ids"


def match_ids(ids: list[str], lines: list[int], image_dir: Path, faults: Faults) -> tuple[list[Path], list[str]]:
    """Find the image of each id, given with or without its extension.

    Args:
        ids: (N) ids, NFC, paths inside `image_dir`.
        lines: the line of each id in its CSV, for the messages.
        image_dir: the folder of the images.
        faults: takes every id without an image, with several, or that points outside `image_dir`.

    Returns:
        (N) paths, fewer where there are faults, and the names of the images that no id claims.
    """
    try:
        found = find_images(image_dir)
    except InputError as error:
        faults.add(str(error))
        return [], []
    by_stem = stems_of(found)
    padded = unstripped(by_stem)
    stripped: list[str] = []
    claimed: dict[str, str] = {}
    paths = []
    for image_id, line in zip(ids, lines, strict=True):
        name, fault = match_name(image_id, found, by_stem)
        if name in claimed:
            fault = f"names the same image as {claimed[name]}"
        if fault == MISSING and (fuller := padded.get(path_key(image_id))):
            stripped.append(f"line {line}, id {image_id!r}: {MISSING}; {fuller[0]} is there")
        elif name is None or fault:
            faults.add(f"line {line}, id {image_id!r}: {fault}")
        else:
            claimed[name] = f"id {image_id!r} of line {line}"
            paths.append(found[name])
    add_stripped(stripped, len(ids) - len(paths), faults)
    return paths, [name for name in found if name not in claimed]


def stems_of(found: Iterable[str]) -> dict[str, list[str]]:
    """The images of each name without its extension."""
    by_stem: dict[str, list[str]] = {}
    for name in found:
        for stem in stems(name):
            by_stem.setdefault(stem, []).append(name)
    return by_stem


def short_ids(names: list[str]) -> list[str]:
    """Names without their extension where that leaves them unique, as ids are written in labels."""
    short = [stems(name)[0] for name in names]
    counts = Counter(short)
    return [stem if counts[stem] == 1 else name for stem, name in zip(short, names, strict=True)]


def unstripped(by_stem: dict[str, list[str]]) -> dict[str, list[str]]:
    """The images of each name without extension that is a number with zeros in front, by the name without these."""
    padded: dict[str, list[str]] = {}
    for stem, names in by_stem.items():
        bare = re.sub("(^|/)0+([0-9]+)$", r"\1\2", stem)
        if bare != stem:
            padded.setdefault(bare, []).extend(names)
    return padded


def add_stripped(texts: list[str], unmatched: int, faults: Faults) -> None:
    """Add the ids that lost zeros, all at once where no other id lacks its image."""
    if 1 < len(texts) == unmatched:
        faults.add(f"{texts[0]}, and so for the {len(texts) - 1:,} other ids without an image: {STRIPPED} {UNSTRIP}")
    else:
        for text in texts:
            faults.add(f"{text}: {STRIPPED}")


def path_key(image_id: str) -> str:
    """An id as a path inside the folder; a backslash separates folders too."""
    return str(PurePosixPath(image_id.replace("\\", "/")))


def match_name(image_id: str, found: dict[str, Path], by_stem: dict[str, list[str]]) -> tuple[str | None, str]:
    """The image that an id means, or None and why there is none."""
    key = path_key(image_id)
    path = PurePosixPath(key)
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        return None, "points outside image_dir"
    if key in found:
        return key, ""
    candidates = by_stem.get(key, [])
    if len(candidates) == 1:
        return candidates[0], ""
    if candidates:
        return None, f"fits {len(candidates)} images: {', '.join(candidates)}; give the id its extension"
    # Under another extension.
    other = by_stem.get(stems(key)[0], [])
    return None, MISSING + (f" (there is {other[0]})" if other else "")
