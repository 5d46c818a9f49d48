"""Which files make one image: a single file, or one a channel, found by their names or named in a CSV."""

import re
from itertools import product
from pathlib import Path

from common.errors import Faults, InputError, listing
from data.images.decoding import EXTENSIONS, stems
from data.images.image_files import ImageFiles, NoImage, files_of, find_images
from data.images.matching import (
    MISSING,
    add_stripped,
    channels_option,
    files_a_channel,
    match_ids,
    match_name,
    path_key,
    short_ids,
    stems_of,
    unstripped,
)
from data.images.preparation import PICTURES, channel_names
from data.tables.spreadsheet import ID_COLUMNS, PATH_COLUMN, Sheet, column_key, quoted, shortened

SEPARATOR = "|"  # between an image's files, where index.csv names them
# Channel → its file in a folder, for each id.
Found = dict[str, dict[str, list[str]]]


def channel_faults(channels: str, pattern: str, axes: str) -> list[str]:
    """What is wrong with the options that say which channels an image has, in words."""
    faults, names = [], channel_names(channels)
    if not all(names) or len({name.casefold() for name in names}) < len(names):
        faults.append(f"channels = {channels!r}: must be rgb, gray, rgby, or different names separated by commas")
    elif wrong := [name for name in names if re.search(r"[/\\|{}]", name)]:
        faults.append(f"channels = {channels!r}: a name must not hold / \\ | {{ or }}, as {wrong[0]!r} does")
    if "{id}" not in pattern or pattern.count("{channel}") < 1 or re.search(r"[{}]", _plain(pattern)):
        faults.append(f"channel_pattern = {pattern!r}: must hold {{id}} and {{channel}}, such as {{id}}_{{channel}}")
    if axes and (not re.fullmatch("[CZTYXS]+", axes) or len(set(axes)) < len(axes) or not set("YX") <= set(axes)):
        faults.append(
            f"axes = {axes!r}: must name each axis of a TIFF stack once, in capitals: Y and X, C for channels, "
            "Z for planes, T for time points; such as CYX"
        )
    return faults


def match_images(
    ids: list[str],
    lines: list[int],
    image_dir: Path,
    channels: str,
    pattern: str,
    columns: dict[int, list[str]] | None,
    faults: Faults,
) -> tuple[list[ImageFiles], list[str], bool]:
    """Find the file of each id, or its files a channel.

    Files a channel are taken where the CSV has columns for them or their names fit the pattern; other images are one
    file each, and so are pictures ("rgb", "gray").

    Args:
        ids: (N) ids, NFC, paths inside `image_dir`.
        lines: the line of each id in its CSV.
        image_dir: the folder of the images.
        channels: as in `Preparation`.
        pattern: how the files of one image are named, with {id} and {channel}.
        columns: line of the CSV → the path of each channel inside `image_dir`, where it has such columns.
        faults: takes every id without an image.

    Returns:
        (N) images, fewer where there are faults, one that lacks a channel as `NoImage`; the names of images and ids
        that no row claims; whether any are files a channel.
    """
    names = channel_names(channels)
    if channels in PICTURES or not (pattern or columns):
        return *match_ids(ids, lines, image_dir, faults, pattern), False
    try:
        found = find_images(image_dir)
    except InputError as error:
        faults.add(str(error))
        return [], [], False
    if columns is not None:
        return *_match_columns(ids, lines, found, names, columns, faults), True
    groups = by_channel(list(found), names, pattern)
    padded = unstripped({key: [key] for key in groups})
    if not any(_group_key(image_id, groups) in groups or path_key(image_id) in padded for image_id in ids):
        return *match_ids(ids, lines, image_dir, faults, pattern), False
    return *_match_groups(ids, lines, found, names, pattern, groups, padded, faults), True


def find_channel_images(image_dir: Path, channels: str, pattern: str) -> tuple[list[str], list[ImageFiles], list[str]]:
    """All images of a folder in which a pattern names the files of a channel; other files are an image each.

    Returns:
        (N) ids; (N) images, one that lacks a channel as `NoImage`; in words, which files are an image each, and which
        are left out because there are files a channel for their id.

    Raises:
        InputError: the folder holds no image.
    """
    found, names = find_images(image_dir), channel_names(channels)
    groups = by_channel(list(found), names, pattern)
    loose, beside = _not_grouped(found, groups), list[str]()
    for name in list(loose):
        if not groups.keys().isdisjoint(stems(name)):
            beside.append(name)
            del loose[name]
    by_id: dict[str, ImageFiles] = dict(zip(short_ids(list(loose)), loose.values(), strict=True))
    by_id |= {key: _image(group, found, names, pattern, key) for key, group in groups.items()}
    place = {path: place for place, path in enumerate(found.values())}
    ids = sorted(by_id, key=lambda name: place[files_of(by_id[name])[0]])
    texts = []
    if loose:
        heading = f"{len(loose):,} files are not named as {_expected('Id', names, pattern)}, and are an image each:"
        texts.append(listing(heading, list(loose)))
    if beside:
        heading = f"{len(beside):,} files are left out, as the channels of their images are files of their own:"
        texts.append(listing(heading, beside))
    return ids, [by_id[name] for name in ids], texts


def by_channel(files: list[str], names: list[str], pattern: str) -> Found:
    """Files by id and channel, as far as their names fit the pattern, with any extension unless it gives one.

    Where one channel's name ends another's, as red does far_red, a file is of the longest that fits.
    """
    whole = pattern.lower().endswith(EXTENSIONS)
    forms = {name: _form(pattern, name) for name in sorted(names, key=len, reverse=True)}
    groups: Found = {}
    for file in files:
        for text, (name, form) in product([file] if whole else stems(file), forms.items()):
            if fit := form.fullmatch(text):
                groups.setdefault(fit["id"], {}).setdefault(name, []).append(file)
                break
    return groups


def read_path_columns(
    table_csv: Path | None, channels: str, faults: Faults, id_column: str = ""
) -> dict[int, list[str]] | None:
    """The paths of each channel's file, by line, of a CSV with columns such as path_red; None without such columns.

    Args:
        table_csv: labels.csv, or the list of images to predict; None where folders give the labels.
        channels: as in `Preparation`.
        faults: gets a channel without a column.
        id_column: the column of the ids, if it was chosen.
    """
    if table_csv is None or channels in PICTURES:
        return None
    # What else is wrong with the file is found by who reads its labels.
    sheet = Sheet(table_csv, Faults(), {column_key(id_column)} if id_column else ID_COLUMNS)
    keys = [name.casefold() for name in sheet.header]
    wanted = [f"{PATH_COLUMN}{name}".casefold() for name in channel_names(channels)]
    if not set(wanted) & set(keys):
        return None
    if missing := [column for column in wanted if column not in keys]:
        faults.add(f"{sheet.name}: no column {', '.join(missing)}, though it has columns for other channels")
        return None
    cells = [sheet.column(keys.index(column)) for column in wanted]
    return dict(zip(sheet.lines, map(list, zip(*cells, strict=True)), strict=True))


def joined(image: ImageFiles) -> str:
    """An image's path, or those of its channels separated by |."""
    return SEPARATOR.join(map(str, files_of(image)))


def brief(image: ImageFiles) -> str:
    """As `joined`, with the folder written once where the channels share it: for messages."""
    files = files_of(image)
    if len({path.parent for path in files}) == 1:
        return str(files[0].with_name(SEPARATOR.join(path.name for path in files)))
    return joined(image)


def _match_groups(
    ids: list[str], lines: list[int], found: dict[str, Path], names: list[str], pattern: str, groups: Found,
    padded: dict[str, list[str]], faults: Faults,
) -> tuple[list[ImageFiles], list[str]]:  # fmt: skip
    loose = _not_grouped(found, groups)
    by_stem = stems_of(loose)
    loose_padded = unstripped(by_stem)
    images, claimed, stripped = list[ImageFiles](), dict[str, int](), list[str]()
    for image_id, line in zip(ids, lines, strict=True):
        key = _group_key(image_id, groups)
        name, fault = match_name(image_id, loose, by_stem)
        # Files a channel come before one file, but a file's whole name means that file.
        if key in groups and name != path_key(image_id):
            name, fault = key, ""
            image = _image(groups[key], found, names, pattern, key, by_stem.get(key))
        elif name is not None:
            image = loose[name]
        if name in claimed:
            fault = f"names the same image as line {claimed[name]}"
        if fault == MISSING and key in padded:
            there = ", ".join(_in_order(groups[padded[key][0]], names))
            stripped.append(f"line {line}, id {quoted(image_id)}: {MISSING}; {there} are there")
        elif fault == MISSING and key in loose_padded:
            stripped.append(f"line {line}, id {quoted(image_id)}: {MISSING}; {loose_padded[key][0]} is there")
        elif fault == MISSING:
            expected = _expected(shortened(key), names, pattern)
            faults.add(f"line {line}, id {quoted(image_id)}: {MISSING} (no {expected})")
        elif fault:
            faults.add(f"line {line}, id {quoted(image_id)}: {fault}")
        else:
            claimed[name] = line
            images.append(image)
    add_stripped(stripped, len(ids) - len(images), faults)
    _name_channels(images, groups, found, names, pattern)
    return images, [name for name in (*groups, *loose) if name not in claimed]


def _name_channels(
    images: list[ImageFiles], groups: Found, found: dict[str, Path], names: list[str], pattern: str
) -> None:
    """Say with the first image which channels the folder has, where one that is asked for is nowhere in it."""
    if images and isinstance(images[0], NoImage) and set(names).difference(*groups.values()):
        there = list(files_a_channel(next(iter(groups)), stems_of(found), pattern))
        reason = f"{images[0].reason}; the channels there are {', '.join(there)}: --channels {channels_option(there)}?"
        images[0] = NoImage(images[0].files, reason)


def _not_grouped(found: dict[str, Path], groups: Found) -> dict[str, Path]:
    """The files that fit no channel."""
    grouped = {file for group in groups.values() for files in group.values() for file in files}
    return {name: path for name, path in found.items() if name not in grouped}


def _image(
    group: dict[str, list[str]], found: dict[str, Path], names: list[str], pattern: str, image_id: str,
    beside: list[str] | None = None,
) -> ImageFiles:  # fmt: skip
    """The files of an image in the order of its channels, or why they make none.

    Args:
        group: its files by channel.
        found, names, pattern: the folder's files, the channels and how they are named.
        image_id: what its files share.
        beside: single files that the id could also mean.
    """
    missing = [name for name in names if name not in group]
    twice = [files for files in group.values() if len(files) > 1]
    if not missing and not twice:
        return tuple(found[group[name][0]] for name in names)
    if missing:
        reason = f"{_expected(image_id, missing, pattern)} is missing"
        reason += f"; if {beside[0]} is meant, give the Id its extension" if beside else ""
    else:
        reason = f"{' and '.join(twice[0])} are the same channel; remove one"
    return NoImage(tuple(found[file] for file in _in_order(group, names)), reason)


def _in_order(group: dict[str, list[str]], names: list[str]) -> list[str]:
    return [file for name in names for file in group.get(name, [])]


def _match_columns(
    ids: list[str], lines: list[int], found: dict[str, Path], names: list[str], columns: dict[int, list[str]],
    faults: Faults,
) -> tuple[list[ImageFiles], list[str]]:  # fmt: skip
    by_stem, images, claimed = stems_of(found), list[ImageFiles](), dict[str, str]()
    for image_id, line in zip(ids, lines, strict=True):
        paths = []
        for name, cell in zip(names, columns[line], strict=True):
            key, fault = match_name(cell, found, by_stem) if cell else (None, "is empty")
            if key in claimed:
                fault = f"is {claimed[key]} too; each channel needs a file of its own"
            if key is None or fault:
                said = f"{PATH_COLUMN}{name} {quoted(cell)}: {fault}".replace("'': ", "")
                faults.add(f"line {line}, id {quoted(image_id)}: {said}")
            else:
                paths.append(found[key])
                claimed[key] = f"{PATH_COLUMN}{name} of line {line}"
        if len(paths) == len(names):
            images.append(tuple(paths))
    return images, [key for key in found if key not in claimed]


def _group_key(image_id: str, groups: Found) -> str:
    """The id as its files a channel have it, without extension if that leads to files."""
    key = path_key(image_id)
    # No file is looked up by its extension, only what those of the channels share, so a .ome goes too.
    return key if key in groups else stems(key)[0].removesuffix(".ome")


def _expected(image_id: str, names: list[str], pattern: str) -> str:
    return ", ".join(pattern.replace("{id}", image_id).replace("{channel}", name) for name in names)


def _form(pattern: str, channel: str) -> re.Pattern[str]:
    first, *others = pattern.split("{id}")
    pieces = [re.escape(piece).replace(r"\{channel\}", f"(?i:{re.escape(channel)})") for piece in (first, *others)]
    return re.compile(pieces[0] + "(?P<id>.+)" + "(?P=id)".join(pieces[1:]))


def _plain(pattern: str) -> str:
    return pattern.replace("{id}", "").replace("{channel}", "")
