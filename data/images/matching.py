"""Which image file each row of the labels means."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from common.errors import Faults, InputError
from data.images.decoding import EXTENSIONS, stems
from data.images.image_files import find_images
from data.images.preparation import CHANNEL_SETS
from data.tables.spreadsheet import quoted

MISSING = "no such image"
STRIPPED = "were zeros stripped by a spreadsheet?"
UNSTRIP = "Give the Id column the format Text (or 000) in the spreadsheet and save it again, or mend the ids"


def match_ids(
    ids: list[str], lines: list[int], image_dir: Path, faults: Faults, pattern: str = ""
) -> tuple[list[Path], list[str]]:
    """Find the image of each id, given with or without its extension.

    Args:
        ids: (N) ids, NFC, paths inside `image_dir`.
        lines: the line of each id in its CSV, for the messages.
        image_dir: the folder of the images.
        faults: takes every id without an image, with several, or that points outside `image_dir`.
        pattern: how files a channel are named, with {id} and {channel}, to tell who has such files and did not say so.

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
    told: list[str] = []
    missing: dict[str, str] = {}
    claimed: dict[str, str] = {}
    paths = []
    for image_id, line in zip(ids, lines, strict=True):
        name, fault = match_name(image_id, found, by_stem)
        if name in claimed:
            fault = f"names the same image as {claimed[name]}"
        if fault == MISSING and (fuller := padded.get(path_key(image_id))):
            stripped.append(f"line {line}, id {quoted(image_id)}: {MISSING}; {fuller[0]} is there")
        elif name is None or fault:
            told.append(f"line {line}, id {quoted(image_id)}: {fault}")
            if fault == MISSING:
                missing[path_key(image_id)] = told[-1]
        else:
            claimed[name] = f"id {quoted(image_id)} of line {line}"
            paths.append(found[name])
    if said := of_files_a_channel(missing, by_stem, pattern):
        explained = {*missing.values()}
        told = [said, *(text for text in told if text not in explained)]
    for text in told:
        faults.add(text)
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


def of_files_a_channel(texts: dict[str, str], by_stem: dict[str, list[str]], pattern: str) -> str:
    """What is said of all ids without an image at once, where each has files a channel instead; else nothing.

    Args:
        texts: what is said of each id.
        by_stem, pattern: as for `files_a_channel`.
    """
    first = next(iter(texts), "")
    there = files_a_channel(first, by_stem, pattern) if first else {}
    if len(there) < 2:
        return ""
    # The others are held against the first one's channels, as to search all files for each takes their product.
    known = {name for names in by_stem.values() for name in names} | by_stem.keys()
    forms = [pattern.replace("{channel}", channel) for channel in there]
    if not all(form.replace("{id}", key) in known for key in texts for form in forms):
        return ""
    others = f", and so for the {len(texts) - 1:,} other ids without an image" * (len(texts) > 1)
    option = f"--channels {channels_option(list(there))}"
    return f"{texts[first]}; {', '.join(there.values())} are there{others}: a file a stain? give {option}"


def files_a_channel(image_id: str, by_stem: dict[str, list[str]], pattern: str) -> dict[str, str]:
    """Channel → file of an id, of all files whose names fit the pattern, whatever their channels are called."""
    if "{channel}" not in pattern:
        return {}
    whole = pattern.lower().endswith(EXTENSIONS)
    first, *others = re.escape(pattern.replace("{id}", image_id)).split(re.escape("{channel}"))
    form = re.compile(first + "(?P<channel>[^/]+)" + "(?P=channel)".join(others))
    fits = {
        fit["channel"]: names[0]
        for stem, names in by_stem.items()
        for text in (names if whole else [stem.removesuffix(".ome")])
        if (fit := form.fullmatch(text))
    }
    return dict(sorted(fits.items(), key=lambda each: _place(each[0])))


def channels_option(names: list[str]) -> str:
    """What --channels is given for these names, ready for the shell."""
    folded = {name.casefold() for name in names}
    return "rgby" if folded == {*CHANNEL_SETS["rgby"]} else shlex.quote(",".join(names))


def _place(channel: str) -> tuple[int, str]:
    """Where a channel stands among others: red, green, blue and yellow first, in this order."""
    usual = CHANNEL_SETS["rgby"]
    return (usual.index(channel.casefold()) if channel.casefold() in usual else len(usual)), channel


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
