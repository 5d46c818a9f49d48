"""Labels and files of all sources, read as the options of preprocess.py say."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from common.errors import Faults, InputError, listing
from data.images.channels import by_channel, match_images, read_path_columns
from data.images.image_files import ImageFiles, find_images
from data.images.preparation import PICTURES, channel_names
from data.labels.class_folders import read_class_folders
from data.labels.labels import LabelTable, read_labels
from data.labels.sources import Part, Source, group_by_pattern, join, pair_up


@dataclass(frozen=True)
class Reading:
    """How labels and images are read: the options of preprocess.py, by their names there."""

    classes_file: Path | None = None
    id_column: str = ""
    target_column: str = ""
    group_column: str = ""
    empty_target: Literal["none", "unknown"] = "none"
    duplicates: Literal["error", "union"] = "error"
    group_pattern: str = ""
    channels: str = "rgb"
    channel_pattern: str = "{id}_{channel}"


def read_sources(
    image_dirs: Sequence[Path], labels_csvs: Sequence[Path], reading: Reading
) -> tuple[LabelTable, list[ImageFiles], bool]:
    """The labels of all sources and the files of each of their images.

    Args:
        image_dirs: the folders of the images.
        labels_csvs: a CSV for each; none where the folders hold one for each class.
        reading: how they are read.

    Returns:
        One table, whose warnings name the images without a row; (N) images; whether any has a file a channel.

    Raises:
        InputError: names all that is wrong with labels and files.
    """
    faults, parts, warnings, separate = Faults(), list[Part](), list[str](), False
    sources = pair_up(image_dirs, labels_csvs)
    for source in sources:
        own = Faults()
        part, unclaimed, by_files = _read_source(source, reading, own)
        separate |= by_files
        for text in own.texts:
            faults.add(text if len(sources) == 1 else f"{source.name}: {text}")
        # In class folders what no id claims is a copy in another class's folder.
        if unclaimed and source.labels_csv:
            heading = f"{len(unclaimed):,} images in {source.image_dir} have no row and are left out:"
            warnings.append(listing(heading, unclaimed))
        parts.append(part)
    read = " and ".join(map(str, (*labels_csvs, *image_dirs)))
    faults.raise_if_any(f"{read} cannot be used ({len(faults)} fault{'s' * (len(faults) > 1)}):")
    table, images = join(parts, reading.classes_file is not None, faults)
    faults.raise_if_any(f"{read} cannot be joined:")
    table.warnings = warnings + table.warnings
    return table, images, separate


def _read_source(source: Source, reading: Reading, faults: Faults) -> tuple[Part, list[str], bool]:
    """The rows and images of a source, the names of its images without a row, and whether it has files a channel."""
    channels, pattern, columns = reading.channels, reading.channel_pattern, None
    if source.labels_csv is None:
        # Each file is an image here, which a pattern must not join with others.
        pattern = ""
        table = _read_folders(source.image_dir, reading, faults)
    else:
        table = read_labels(
            source.labels_csv,
            reading.classes_file,
            faults,
            id_column=reading.id_column,
            target_column=reading.target_column,
            group_column=reading.group_column,
            empty_target=reading.empty_target,
        )
        columns = read_path_columns(source.labels_csv, channels, faults, reading.id_column)
    images, unclaimed, separate = list[ImageFiles](), list[str](), False
    # Without rows of class folders their fault has been said.
    if table.ids or source.labels_csv:
        images, unclaimed, separate = match_images(
            table.ids, table.lines, source.image_dir, channels, pattern, columns, faults
        )
    if reading.group_pattern:
        group_by_pattern(table, reading.group_pattern, faults)
    return Part(source, table, images), unclaimed, separate


def _read_folders(image_dir: Path, reading: Reading, faults: Faults) -> LabelTable:
    """The labels that class folders give, of images of one file each."""
    if reading.channels not in PICTURES:
        try:
            found = list(find_images(image_dir))
        except InputError:
            found = []
        groups = by_channel(found, channel_names(reading.channels), reading.channel_pattern)
        several = [[file for files in group.values() for file in files] for group in groups.values() if len(group) > 1]
        if several:
            faults.add(
                f"{image_dir}: class folders hold one file for each image, but {', '.join(several[0])} are channels "
                "of one; save the channels as a TIFF stack for each image, or give --labels_csv"
            )
            return LabelTable(form="folders")
    return read_class_folders(image_dir, reading.classes_file, reading.duplicates, faults)
