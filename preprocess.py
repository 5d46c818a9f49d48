"""Turn a folder of images and a labels.csv into a cache for training. Edit the header, or override it:
python preprocess.py --image_dir images --labels_csv labels.csv --cache_dir cache/cells-128

Two cores prepare 177 JPEG files of 2048 x 2048 a second at 256, or 375 PNG files of 512 x 512 (bench/RESULTS.md).
"""

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import header
from header import Fraction, NonNegativeInt, PositiveInt, Seed

if TYPE_CHECKING:
    from data.images.preparation import Preparation
    from data.splits.earlier_cache import Earlier
    from data.splits.survey import Collection, Division

SMALLEST, LARGEST = 8, 4096  # sides of a prepared image, pixels
# With the inputs these decide index.csv.
DECIDING = ("image_dir", "val_fraction", "test_fraction", "folds", "seed", "near_duplicates", "keep_split_from")


@dataclass(frozen=True)
class Config:
    image_dir: tuple[Path, ...] = (Path("images"),)  # folders of the images, subfolders included
    labels_csv: tuple[Path, ...] = (Path("labels.csv"),)  # one a folder: Id,Target or 0/1 columns; none: class folders
    classes_file: Path | None = None  # a class name a line, in the order of the ids; None: names from the CSV
    id_column: str = ""  # the column of the images' names; empty: Id, image, filename, ...
    target_column: str = ""  # the column of class ids or names; empty: Target, labels, or the 0/1 columns
    group_column: str = ""  # plate, well, patient, antibody: its images stay in one split; empty: group if there is one
    empty_target: Literal["none", "unknown"] = "none"  # what an empty Target says: no class, or nothing is known
    duplicates: Literal["error", "union"] = "error"  # an image in several classes' folders: refused, or it has them all
    cache_dir: Path = Path("cache/cells-128")  # what is written
    size: PositiveInt = 128  # side of the square images, pixels
    resize: Literal["stretch", "pad", "bucket"] = "stretch"  # pad: on black; bucket: keeps the aspect, docs/any_size.md
    buckets: PositiveInt = 5  # resize = bucket: shapes at most, each of about size² pixels
    channels: str = "rgb"  # or gray; rgby, or names such as dapi,gfp: stacks, or a file a channel
    channel_pattern: str = "{id}_{channel}"  # how the files of one image are named, where each channel has its own
    axes: str = ""  # of TIFF stacks that do not say theirs, or say it wrongly: CYX if the pages are channels
    white_level: str = "auto"  # of 16-bit images: auto, from a sample of the set; dtype, its range; or a number
    val_fraction: Fraction = 0.15  # share of the rows for validation, unless the CSV has a split column
    test_fraction: Fraction = 0.15  # share of the rows for the final test
    folds: NonNegativeInt = 0  # cross-validation folds to draw of the rows that are not test; 0: none
    group_pattern: str = ""  # regular expression that finds the group in an Id, as "^[^_]+"; empty: from the CSV
    near_duplicates: Literal["off", "join"] = "off"  # join keeps images that look the same in one split
    keep_split_from: Path | None = None  # an earlier cache: its images keep split and fold, new ones are added
    on_leak: Literal["stop", "warn"] = "stop"  # when a split that is given or kept parts duplicates or groups
    on_bad_image: Literal["stop", "skip"] = "stop"  # skip leaves out what cannot be decoded, listed in skipped.csv
    check_only: bool = False  # check everything and draw the pictures, but write no cache
    overwrite: bool = False  # replace an earlier cache in cache_dir
    workers: NonNegativeInt = 0  # processes; 0: one a core
    scheduler: str = ""  # address of a Dask scheduler whose workers do the work: docs/cluster.md; empty: this machine
    seed: Seed = 0  # of the drawn split and folds


def main(config: Config) -> None:
    from common.cluster import cluster

    with cluster(config.scheduler, [*config.image_dir, *config.labels_csv], config.cache_dir):
        make_cache(config)


def make_cache(config: Config) -> None:
    from data.cache.cache import open_cache
    from data.cache.cache_writer import CacheWriter, fingerprint, index_rows
    from data.splits.earlier_cache import Earlier
    from data.splits.survey import check_decoding
    from report.dataset_pictures import draw

    check_config(config)
    start = time.monotonic()
    writer = None if config.check_only else CacheWriter(config.cache_dir, config.overwrite)
    earlier = Earlier(open_cache(config.keep_split_from)) if config.keep_split_from else None
    collection, preparation = read_collection(config, earlier)
    bucket = preparation.bucket_of(collection.sizes)
    division = divided(config, collection, earlier)
    show_division(collection, division, earlier)
    if writer is None:
        pictures = config.cache_dir.with_name(f"{config.cache_dir.name}-check")
        draw(pictures, collection, division, preparation)
        print(f"Pictures: {pictures / 'class_counts.png'}, {pictures / 'preview.png'}")
        join = config.near_duplicates == "join"
        reasons, thumbnails = check_decoding(collection.paths, preparation, config.workers, join)
        used, redrawn, _ = after_decoding(config, collection, division, earlier, reasons, lambda: thumbnails)
        if redrawn is not division:
            draw(pictures, used, redrawn, preparation)
        print("Checked; no cache was written, because of --check_only")
        header.next_command("preprocess.py", **header.changed_options(config))
        return
    with writer:
        writer.check_bytes(sum(math.prod(preparation.shapes[number]) for number in bucket))
        settings = header.record(config)["config"]
        deciding = {name: settings[name] for name in DECIDING}
        if earlier:
            deciding["earlier cache"] = earlier.cache.meta["fingerprint"]
        writer.begin(fingerprint(collection, preparation, deciding))
        draw(writer.content, collection, division, preparation)
        copies = earlier.copies(collection.hashes, preparation) if earlier else None
        if earlier:
            print(earlier.copied_words(copies))
        decoded = writer.decode(collection.paths, collection.contents, preparation, config.workers, copies, bucket)
        first = division
        reasons = decoded.reasons
        collection, division, skipped = after_decoding(
            config, collection, division, earlier, reasons, lambda: writer.thumbnails(len(reasons), preparation, bucket)
        )
        if division is not first:
            draw(writer.content, collection, division, preparation)
        writer.finish(index_rows(collection, division), collection.table.labels, decoded,
                      describe(config, collection, preparation, division), skipped)  # fmt: skip
    shapes = " or ".join(" × ".join(map(str, shape)) for shape in preparation.shapes)
    print(f"Wrote {config.cache_dir}: {len(collection):,} images of {shapes} in {time.monotonic() - start:.0f} s;")
    print("look at its preview.png and class_counts.png before training")
    header.next_command("train.py", cache_dir=config.cache_dir)


def after_decoding(
    config: Config, collection: "Collection", division: "Division", earlier: "Earlier | None", reasons: list[str],
    thumbnails: Callable[[], Any],
) -> tuple["Collection", "Division", list[dict[str, Any]]]:  # fmt: skip
    """Collection and division without images that cannot be decoded, with near-duplicates joined; and the skipped.

    Thumbnails are asked for only where they are compared, as those of all images take much memory.
    """
    from data.splits.findings import near_words

    skipped = report_bad(config, collection, reasons)
    if config.near_duplicates == "join":
        collection, pairs = collection.joined(thumbnails())
        print(near_words(collection.table.ids, collection.near, pairs))
    if skipped:
        collection = collection.keep([not reason for reason in reasons])
    if not skipped and config.near_duplicates == "off":
        return collection, division, skipped
    print("The split that follows replaces the one above")
    division = divided(config, collection, earlier)
    show_division(collection, division, earlier)
    return collection, division, skipped


def check_config(config: Config) -> None:
    from common.errors import InputError
    from data.images.channels import channel_faults
    from data.images.white_level import setting_fault

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
    try:
        re.compile(config.group_pattern)
    except re.error as error:
        faults.append(f"group_pattern = {config.group_pattern!r}: not a regular expression ({error})")
    if config.folds == 1:
        faults.append("folds = 1: must be 0 (none), or 2 or more")
    if faults:
        raise InputError("\n".join(faults))


def read_collection(config: Config, earlier: "Earlier | None" = None) -> tuple["Collection", "Preparation"]:
    """Labels and image headers, every fault of the two raised at once; and how these images become pixels."""
    from data.images.image_files import NoImage
    from data.images.preparation import Preparation, with_buckets
    from data.images.white_level import settled
    from data.labels.reading import Reading, read_sources
    from data.splits.survey import survey

    reading = Reading(**{field.name: getattr(config, field.name) for field in fields(Reading)})
    table, images, separate = read_sources(config.image_dir, config.labels_csv, reading)
    print("\n".join(table.notes))
    for text in table.warnings:
        warn(text)
    pattern = config.channel_pattern if separate else ""
    # The depth is that of the images, and is not known before their headers have been read.
    preparation = Preparation(config.size, config.resize, config.channels, pattern, config.axes, depth=0)
    collection = survey(table, images, preparation, config.workers)
    # No pixel need be decoded to know that a channel is missing.
    incomplete = [reason * isinstance(image, NoImage) for image, reason in zip(images, collection.reasons, strict=True)]
    if config.on_bad_image == "stop":
        report_bad(config, collection, incomplete)
    if (unread := len(images) - collection.reasons.count("")) == len(images):
        # Most likely an option does not fit these files, and no cache should be begun with it.
        report_bad(config, collection, collection.reasons)
    if unread and config.on_bad_image == "stop":
        warn(f"{unread:,} images cannot be read; the run will stop with their list when all others have been decoded")
    show_findings(collection)
    before = earlier.preparation if earlier else None
    if config.resize == "bucket":
        readable = [size for size, reason in zip(collection.sizes, collection.reasons, strict=True) if not reason]
        preparation, told = with_buckets(preparation, readable, config.buckets, before)
        print(told)
    preparation, words = settled(preparation, config.white_level, images, collection.infos, config.workers, before)
    if preparation.depth > 8:
        print(f"White level of the {preparation.depth}-bit images: {preparation.white_level:,.10g}, {words}\n")
    return collection, preparation


def divided(config: Config, collection: "Collection", earlier: "Earlier | None" = None) -> "Division":
    """The split and folds; a split given or kept that parts what belongs together is refused or named."""
    from common.errors import Faults, InputError, listing
    from data.splits.survey import divide, leaks

    faults = Faults()
    division = divide(collection, config.val_fraction, config.test_fraction, config.folds, config.seed, faults, earlier)
    read = " and ".join(map(str, config.labels_csv or config.image_dir))
    faults.raise_if_any(f"{read} cannot be used:")
    if pairs := leaks(collection, division, earlier):
        where = f"the splits kept from {earlier.name}" if earlier else f"{read}: the given split or folds"
        text = listing(f"{where} part {len(pairs)} pairs that belong together:", pairs)
        if config.on_leak == "stop":
            out = "draw a new split without --keep_split_from" if earlier else "leave its split out to draw one"
            raise InputError(f"{text}\nmend the given split, {out}, or accept this with --on_leak warn")
        warn(text)
    return division


def show_findings(collection: "Collection") -> None:
    from data.splits.findings import finding_warnings, overview

    found = collection.table, collection.hashes, collection.infos
    print("Found")
    for name, text in overview(*found).items():
        print(f"  {name:<16} {text}")
    for text in finding_warnings(*found):
        warn(text)
    print()


def show_division(collection: "Collection", division: "Division", earlier: "Earlier | None" = None) -> None:
    from data.splits.findings import division_tables, division_warnings
    from report import tables

    table = collection.table
    drawn = "drawn by class rates; duplicates and groups stay together"
    print(f"Split: {'as given' if table.split is not None else drawn}")
    if earlier:
        print(earlier.kept_words(table.ids, collection.hashes, division.split))
    for title, (columns, body) in division_tables(table, division.split).items():
        tables.show(title, columns, body)
    if division.fold is not None:
        numbers = sorted({*division.fold.tolist()} - {-1})
        print("Folds: " + ", ".join(f"{fold}: {(division.fold == fold).sum():,} images" for fold in numbers) + "\n")
    for text in division_warnings(table, division.split):
        warn(text)


def report_bad(config: Config, collection: "Collection", reasons: list[str]) -> list[dict[str, Any]]:
    """The rows of images that cannot be decoded, named; raises unless they are to be left out."""
    from common.errors import InputError, listing
    from data.splits.survey import bad_rows

    if not (bad := bad_rows(collection, reasons)):
        return []
    places = [f" (line {row['line']})" if row["line"] else "" for row in bad]
    texts = [f"{row['path']}{place}: {row['reason']}" for row, place in zip(bad, places, strict=True)]
    text = listing(f"{len(bad):,} of {len(reasons):,} images cannot be used:", texts)
    if config.on_bad_image == "stop":
        raise InputError(f"{text}\nmend them or take out their rows, or leave them out with --on_bad_image skip")
    if len(bad) == len(reasons):
        raise InputError(text)
    warn(text)
    return bad


def describe(
    config: Config, collection: "Collection", preparation: "Preparation", division: "Division"
) -> dict[str, Any]:
    from data.splits.findings import giveaway_texts
    from data.splits.splits import check_given_split

    return {
        "class_names": collection.table.class_names,
        "channels": preparation.channel_names,
        "image_shape": list(preparation.shape),
        "preparation": preparation.as_dict(),
        # Images in another split than what they belong with, accepted with on_leak = "warn": reports must say it.
        "parted": len(check_given_split(division.split, division.units, range(len(collection)))),
        # A model that learns these judges new images worse than those of the cache: reports must say that too.
        "giveaways": giveaway_texts(collection.table, collection.infos),
        **header.record(config),
    }


def warn(text: str) -> None:
    print(f"Warning: {text}")


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
