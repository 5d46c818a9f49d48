"""Which files make one image: a single file, or one a channel, found by their names or named in a CSV."""

import re
from itertools import product
from pathlib import Path

from data.decoding import EXTENSIONS, stems
from data.faults import Faults, InputError
from data.images import ImageFiles, find_images
from data.label_forms import ID_COLUMNS, PATH_COLUMN
from data.matching import MISSING, add_stripped, match_ids, match_name, path_key, stems_of, unstripped
from data.preparation import PICTURES, channel_names
from data.spreadsheet import Sheet, column_key

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

    Files a channel are taken where the CSV has columns for them or the folder holds any that fit the pattern; pictures
    ("rgb", "gray") are one file each.

    Args:
        ids: (N) ids, NFC, paths inside `image_dir`.
        lines: the line of each id in its CSV.
        image_dir: the folder of the images.
        channels: as in `Preparation`.
        pattern: how the files of one image are named, with {id} and {channel}.
        columns: line of the CSV → the path of each channel inside `image_dir`, where it has such columns.
        faults: takes every id without all its files.

    Returns:
        (N) images, fewer where there are faults; the names of images and ids that no row claims; whether they are
        files a channel.
    """
    names = channel_names(channels)
    if channels in PICTURES or not (pattern or columns):
        return *match_ids(ids, lines, image_dir, faults), False
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
        return *match_ids(ids, lines, image_dir, faults), False
    return *_match_groups(ids, lines, found, names, pattern, groups, padded, faults), True


def find_channel_images(image_dir: Path, channels: str, pattern: str) -> tuple[list[str], list[ImageFiles]]:
    """All images of a folder whose files are named by a pattern, a file a channel: their ids and files.

    Raises:
        InputError: the folder holds none, or images lack a channel; each is named.
    """
    found, names, faults = find_images(image_dir), channel_names(channels), Faults()
    groups = by_channel(list(found), names, pattern)
    if not groups:
        faults.add(f"no file is named as {_expected('Id', names, pattern)}")
    for image_id, group in groups.items():
        if fault := _group_fault(image_id, group, names, pattern):
            faults.add(f"id {image_id!r}: {fault}")
    faults.raise_if_any(f"{image_dir} does not hold the channels {', '.join(names)} of every image:")
    return list(groups), [tuple(found[group[name][0]] for name in names) for group in groups.values()]


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
    return SEPARATOR.join(map(str, image)) if isinstance(image, tuple) else str(image)


def brief(image: ImageFiles) -> str:
    """As `joined`, with the folder written once where the channels share it: for messages."""
    if isinstance(image, tuple) and len({path.parent for path in image}) == 1:
        return str(image[0].with_name(SEPARATOR.join(path.name for path in image)))
    return joined(image)


def _match_groups(
    ids: list[str], lines: list[int], found: dict[str, Path], names: list[str], pattern: str, groups: Found,
    padded: dict[str, list[str]], faults: Faults,
) -> tuple[list[ImageFiles], list[str]]:  # fmt: skip
    images, claimed, stripped = list[ImageFiles](), dict[str, int](), list[str]()
    for image_id, line in zip(ids, lines, strict=True):
        key = _group_key(image_id, groups)
        group = groups.get(key, {})
        fault = _group_fault(key, group, names, pattern)
        if key in claimed:
            fault = f"names the same image as line {claimed[key]}"
        claimed[key] = line
        if fault and not group and key in padded:
            there = _files(groups[padded[key][0]], names)
            stripped.append(f"line {line}, id {image_id!r}: {MISSING}; {there} are there")
        elif fault:
            faults.add(f"line {line}, id {image_id!r}: {fault}")
        else:
            images.append(tuple(found[group[name][0]] for name in names))
    add_stripped(stripped, len(ids) - len(images), faults)
    return images, [key for key in groups if key not in claimed]


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
                faults.add(f"line {line}, id {image_id!r}: {PATH_COLUMN}{name} {cell!r}: {fault}".replace("'': ", ""))
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


def _group_fault(image_id: str, group: dict[str, list[str]], names: list[str], pattern: str) -> str:
    if not group:
        return f"no such image (no {_expected(image_id, names, pattern)})"
    if missing := [name for name in names if name not in group]:
        return f"{_expected(image_id, missing, pattern)} is missing (there is {_files(group, names)})"
    twice = [files for files in group.values() if len(files) > 1]
    return f"{' and '.join(twice[0])} are the same channel; remove one" if twice else ""


def _files(group: dict[str, list[str]], names: list[str]) -> str:
    return ", ".join(file for name in names for file in group.get(name, []))


def _expected(image_id: str, names: list[str], pattern: str) -> str:
    return ", ".join(pattern.replace("{id}", image_id).replace("{channel}", name) for name in names)


def _form(pattern: str, channel: str) -> re.Pattern[str]:
    first, *others = pattern.split("{id}")
    pieces = [re.escape(piece).replace(r"\{channel\}", f"(?i:{re.escape(channel)})") for piece in (first, *others)]
    return re.compile(pieces[0] + "(?P<id>.+)" + "(?P=id)".join(pieces[1:]))


def _plain(pattern: str) -> str:
    return pattern.replace("{id}", "").replace("{channel}", "")
