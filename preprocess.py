"""Turn a folder of images and a labels.csv into a cache for training. Edit the header, or override it:
python preprocess.py --image_dir images --labels_csv labels.csv --cache_dir cache/cells-128"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import header
from header import Fraction, NonNegativeInt, PositiveInt

PREVIEWED = 24  # images on the contact sheet
SMALLEST, LARGEST = 8, 4096  # sides of a prepared image, pixels
DECIDING = ("image_dir", "val_fraction", "test_fraction", "folds", "seed")  # with the inputs they decide index.csv


@dataclass(frozen=True)
class Config:
    image_dir: Path = Path("images")  # folder of the images, subfolders included
    labels_csv: Path = Path("labels.csv")  # Id,Target with class ids or names, or a 0/1 column a class
    classes_file: Path | None = None  # a class name a line, in the order of the ids; None: names from the CSV
    cache_dir: Path = Path("cache/cells-128")  # what is written
    size: PositiveInt = 128  # side of the square images, pixels
    resize: Literal["stretch", "pad"] = "stretch"  # pad keeps the aspect and centres the image on black
    channels: str = "rgb"  # or gray; rgby, or names such as dapi,gfp: stacks, or a file a channel
    channel_pattern: str = "{id}_{channel}"  # how the files of one image are named, where each channel has its own
    axes: str = ""  # of TIFF stacks that do not say theirs, or say it wrongly: CYX if the pages are channels
    white_level: str = "auto"  # of 16-bit images: auto, from a sample of the set; dtype, its range; or a number
    val_fraction: Fraction = 0.15  # share of the rows for validation, unless the CSV has a split column
    test_fraction: Fraction = 0.15  # share of the rows for the final test
    folds: NonNegativeInt = 0  # cross-validation folds to draw as well; 0: none
    on_leak: Literal["stop", "warn"] = "stop"  # when the CSV's own split parts duplicates or groups
    on_bad_image: Literal["stop", "skip"] = "stop"  # skip leaves out what cannot be decoded, listed in skipped.csv
    check_only: bool = False  # check everything and draw the pictures, but write no cache
    overwrite: bool = False  # replace an earlier cache in cache_dir
    workers: NonNegativeInt = 0  # processes; 0: one a core
    seed: NonNegativeInt = 0  # of the drawn split and folds


def main(config: Config) -> None:
    import time

    from data.cache_writer import CacheWriter
    from data.survey import check_decoding, fingerprint, index_rows

    check_config(config)
    start = time.monotonic()
    writer = None if config.check_only else CacheWriter(config.cache_dir, config.overwrite)
    collection, preparation = read_collection(config)
    division = divided(config, collection)
    show_division(collection, division)
    if writer is None:
        pictures = config.cache_dir.with_name(f"{config.cache_dir.name}-check")
        draw(pictures, collection, division, preparation)
        print(f"Pictures: {pictures / 'class_counts.png'}, {pictures / 'preview.png'}")
        report_bad(config, collection, check_decoding(collection.paths, preparation, config.workers))
        print("Checked; no cache was written, because of --check_only")
        header.next_command("preprocess.py", **changed_options(config))
        return
    writer.check_space(len(collection), preparation.shape)
    settings = header.record(config)["config"]
    writer.begin(fingerprint(collection, preparation, {name: settings[name] for name in DECIDING}))
    draw(writer.content, collection, division, preparation)
    decoded = writer.decode(collection.paths, collection.hashes, preparation, config.workers)
    skipped = report_bad(config, collection, decoded.reasons)
    if skipped:
        collection = collection.keep([not reason for reason in decoded.reasons])
        division = divided(config, collection)
        show_division(collection, division)
        draw(writer.content, collection, division, preparation)
    writer.finish(index_rows(collection, division), collection.table.labels, decoded,
                  describe(config, collection, preparation), skipped)  # fmt: skip
    shape = " × ".join(map(str, preparation.shape))
    print(f"Wrote {config.cache_dir}: {len(collection):,} images of {shape} in {time.monotonic() - start:.0f} s;")
    print("look at its preview.png and class_counts.png before training")
    header.next_command("train.py", cache_dir=config.cache_dir)


def check_config(config: Config) -> None:
    from data.channels import channel_faults
    from data.faults import InputError
    from data.white_level import setting_fault

    faults = channel_faults(config.channels, config.channel_pattern, config.axes)
    if fault := setting_fault(config.white_level):
        faults.append(fault)
    if not SMALLEST <= config.size <= LARGEST:
        faults.append(f"size = {config.size}: must be between {SMALLEST} and {LARGEST} pixels")
    if config.val_fraction + config.test_fraction >= 1:
        faults.append(
            f"val_fraction = {config.val_fraction} and test_fraction = {config.test_fraction}: "
            "their sum must be below 1, so that rows are left for train"
        )
    if config.folds == 1:
        faults.append("folds = 1: must be 0 (none), or 2 or more")
    if faults:
        raise InputError("\n".join(faults))


def read_collection(config: Config) -> tuple[Any, Any]:
    """Labels and image headers, every fault of the two raised at once; and how these images become pixels."""
    from data.channels import match_images, read_path_columns
    from data.faults import Faults, listing
    from data.images import Preparation
    from data.labels import read_labels
    from data.survey import survey
    from data.white_level import settled

    faults = Faults()
    table = read_labels(config.labels_csv, config.classes_file, faults)
    columns = read_path_columns(config.labels_csv, config.channels, faults)
    paths, unclaimed, separate = match_images(table.ids, table.lines, config.image_dir, config.channels,
                                              config.channel_pattern, columns, faults)  # fmt: skip
    faults.raise_if_any(f"{config.labels_csv} and {config.image_dir} cannot be used ({len(faults)} faults):")
    for text in table.warnings:
        warn(text)
    if unclaimed:
        warn(listing(f"{len(unclaimed):,} images in {config.image_dir} have no row and are left out:", unclaimed))
    pattern = config.channel_pattern if separate else ""
    # The depth is that of the images, and is not known before their headers have been read.
    preparation = Preparation(config.size, config.resize, config.channels, pattern, config.axes, depth=0)
    collection = survey(table, paths, preparation, config.workers)
    unread = len(paths) - collection.reasons.count("")
    if unread == len(paths):
        # Most likely an option does not fit these files, and no cache should be begun with it.
        report_bad(config, collection, collection.reasons)
    if unread and config.on_bad_image == "stop":
        warn(f"{unread:,} images cannot be read; the run will stop with their list when all others have been decoded")
    show_findings(collection)
    preparation, words = settled(preparation, config.white_level, paths, collection.infos, config.workers)
    if preparation.depth > 8:
        print(f"White level of the {preparation.depth}-bit images: {preparation.white_level:,.10g}, {words}\n")
    return collection, preparation


def divided(config: Config, collection: Any) -> Any:
    """The split and folds; a split of the CSV's own that parts what belongs together is refused or named."""
    from data.faults import Faults, InputError, listing
    from data.survey import divide, leaks

    faults = Faults()
    division = divide(collection, config.val_fraction, config.test_fraction, config.folds, config.seed, faults)
    faults.raise_if_any(f"{config.labels_csv} cannot be used:")
    if pairs := leaks(collection, division):
        text = listing(
            f"{config.labels_csv}: its own split or folds part {len(pairs)} pairs that belong together:", pairs
        )
        if config.on_leak == "stop":
            raise InputError(
                f"{text}\nmend the CSV, leave its split out to draw one, or accept this with --on_leak warn"
            )
        warn(text)
    return division


def show_findings(collection: Any) -> None:
    from collections import Counter

    from data.faults import listing
    from data.findings import disagreeing, duplicates, giveaways, native_sizes
    from data.labels import label_statistics

    table, statistics = collection.table, label_statistics(collection.table.labels)
    sizes = native_sizes(collection.infos)
    formats = Counter(info.format for info in collection.infos if info)
    histogram = statistics["labels_per_image_histogram"]
    sets = duplicates(collection.hashes)
    conflicts = disagreeing(sets, table.labels)
    bare = [table.ids[row] for row in (table.labels != 1).all(axis=1).nonzero()[0]]
    lines = {
        "images": f"{len(collection):,}",
        "classes": f"{len(table.class_names):,}",
        "native sizes": shortlist([f"{width} × {height} ({count:,})" for (width, height), count in sizes]),
        "formats": ", ".join(f"{name} ({count:,})" for name, count in formats.most_common()),
        "labels an image": f"{statistics['labels_per_image']:.3f} on average, 0 to {len(histogram) - 1}",
        "label density": f"{statistics['label_density']:.4f}",
        "without a label": f"{len(bare):,}" + (f" (ids {shortlist(bare)})" if bare else ""),
        "unknown labels": f"{(table.labels > 1).sum():,}",
        "duplicates": f"{len(sets):,} sets of byte-identical images ({sum(map(len, sets)):,} images)",
        "": f"{len(conflicts):,} of these sets disagree in their labels",
    }
    if table.group is not None:
        lines["groups"] = f"{len(set(table.group) - {''}):,}"
    print("Found")
    for name, text in lines.items():
        print(f"  {name:<16} {text}")
    if conflicts:
        texts = [" / ".join(table.ids[row] for row in rows) for rows in conflicts]
        warn(listing(f"{len(conflicts)} sets of identical images whose labels disagree (ids):", texts))
    for label, words, count in giveaways(collection.infos, table.labels):
        warn(f"{words} gives {table.class_names[label]} away: its {count} images and no others; a model may learn it")
    print()


def show_division(collection: Any, division: Any) -> None:
    from data.findings import split_table
    from data.splits import SPLITS, missing_classes
    from report import tables

    table = collection.table
    counts = split_table(table.labels, division.split)
    rows = [division.split.count(name) for name in SPLITS]
    columns = ["class", "images", *SPLITS]
    body = [
        [name, *map("{:,}".format, (sum(row), *row))]
        for name, row in zip(table.class_names, counts.tolist(), strict=True)
    ]
    body.append(["all images", *map("{:,}".format, (len(collection), *rows))])
    drawn = "drawn by class rates; duplicates and groups stay together"
    print(f"Split: {'from the CSV' if table.split is not None else drawn}")
    tables.show("Images a class", columns, body)
    if division.fold is not None:
        numbers = sorted(set(division.fold.tolist()))
        print("Folds: " + ", ".join(f"{fold}: {(division.fold == fold).sum():,} images" for fold in numbers) + "\n")
    for label in (~counts.any(axis=1)).nonzero()[0]:
        warn(f"no image at all has class {table.class_names[label]}")
    for split, missing in missing_classes(table.labels, division.split).items():
        if not rows[SPLITS.index(split)]:
            warn(f"{split} has no images")
            continue
        for label in missing:
            if counts[label].any():
                warn(f"{split} has no image of class {table.class_names[label]}")


def draw(folder: Path, collection: Any, division: Any, preparation: Any) -> None:
    """class_counts.png and preview.png."""
    import numpy as np

    from data.findings import preview_rows, split_table
    from data.images import ImageError, prepare
    from data.splits import SPLITS
    from report.dataset_plots import draw_class_counts, draw_preview

    table = collection.table
    counts = split_table(table.labels, division.split)
    draw_class_counts(table.class_names, dict(zip(SPLITS, counts.T, strict=True)), folder / "class_counts.png")
    usable = np.array([not reason for reason in collection.reasons])
    images, rows = [], []
    for row in preview_rows(table.labels, usable, PREVIEWED):
        try:
            images.append(prepare(collection.paths[row], preparation))
        except ImageError:
            continue
        rows.append(row)
    if rows:
        labels = [[table.class_names[label] for label in np.flatnonzero(table.labels[row] == 1)] for row in rows]
        ids, path = [table.ids[row] for row in rows], folder / "preview.png"
        draw_preview(np.stack(images), ids, labels, path, () if preparation.is_picture else preparation.channel_names)


def report_bad(config: Config, collection: Any, reasons: list[str]) -> list[dict[str, Any]]:
    """The rows of images that cannot be decoded, named; raises unless they are to be left out."""
    from data.channels import brief
    from data.faults import InputError, listing

    table = collection.table
    bad = [
        {"id": table.ids[row], "path": brief(collection.paths[row]), "line": table.lines[row], "reason": reason}
        for row, reason in enumerate(reasons)
        if reason
    ]
    if not bad:
        return []
    texts = [f"{row['path']} (line {row['line']}): {row['reason']}" for row in bad]
    text = listing(f"{len(bad):,} of {len(reasons):,} images cannot be used:", texts)
    if config.on_bad_image == "stop":
        raise InputError(f"{text}\nmend them or take out their rows, or leave them out with --on_bad_image skip")
    if len(bad) == len(reasons):
        raise InputError(text)
    warn(text)
    return bad


def describe(config: Config, collection: Any, preparation: Any) -> dict[str, Any]:
    return {
        "class_names": collection.table.class_names,
        "channels": preparation.channel_names,
        "image_shape": list(preparation.shape),
        "preparation": preparation.as_dict(),
        **header.record(config),
    }


def changed_options(config: Config) -> dict[str, Any]:
    """The options that differ from the header, without the switches."""
    defaults = vars(Config())
    return {name: value for name, value in vars(config).items() if value != defaults[name] and value is not True}


def shortlist(texts: list[str]) -> str:
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")


def warn(text: str) -> None:
    print(f"Warning: {text}")


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
