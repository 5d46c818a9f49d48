"""Make new training images for the rare classes, into augmented/TAG of a cache. Edit the header, or override it:
python augment.py --cache_dir cache/cells-128 --method balance --plan_only

A core turns 410 images of 256 x 256 a second by any angle, 10,900 by quarters (bench/RESULTS.md).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import header
from header import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Seed

if TYPE_CHECKING:
    import numpy as np

    from data.augmentation.plan import Effect, Plan
    from data.augmentation.writer import AugmentedWriter
    from data.cache.cache import Cache

PREVIEWED = 24  # images on the contact sheet
FEW_PARENTS = 10
UNDECIDING = ("cache_dir", "tag", "plan_only", "overwrite", "workers", "scheduler")  # what no new image depends on
Operation = Literal[
    "quarter_turns", "flips", "rotation", "shift", "crop", "scale", "shear",
    "brightness", "contrast", "colour", "noise", "blur",
]  # fmt: skip


@dataclass(frozen=True)
class Config:
    cache_dir: Path = Path("cache/cells-128")  # written by preprocess.py; only its training rows are used
    method: Literal["rotate_all", "rotate_rare", "mixup_rare", "balance"] = "balance"  # see docs/augmentation.md
    tag: str = ""  # name of the augmented set, for train.py --augmented; empty: the method's
    rare: tuple[str, ...] = ()  # rotate_rare, mixup_rare: names or ids of the rare classes; empty: found by counts
    rare_below: NonNegativeInt = 0  # images that make a class rare if it has fewer; 0: imbalance ratio above the mean
    copies: PositiveInt = 4  # rotate_*, mixup_rare: new images of each chosen image
    max_copies: PositiveInt = 9  # balance: new images of one image at most
    new_images: NonNegativeInt = 0  # balance: new images at most; 0: until more of them hardly help
    target_ratio: NonNegativeFloat = 0.0  # balance: mean imbalance ratio to reach, instead of a number; 0: none
    partner: Literal["rare", "any", "planned"] = "rare"  # mixup_rare: where the second image comes from
    labels: Literal["union", "soft"] = "union"  # mixup_rare: all labels of both, or shares of them
    mixing_alpha: NonNegativeFloat = 0.0  # mixup_rare: shares from Beta(alpha, alpha); 0: one half each
    plan_only: bool = False  # show what the method would do to the counts, but make no image
    overwrite: bool = False  # replace an earlier set of this tag
    workers: NonNegativeInt = 0  # processes; 0: one a core
    scheduler: str = ""  # address of a Dask scheduler whose workers do the work: docs/cluster.md; empty: this machine
    seed: Seed = 0  # of what operations, shares and partners draw
    operations: tuple[Operation, ...] = ("rotation",)  # what makes a new image of an old one, combined
    rotation_degrees: NonNegativeFloat = 180.0  # either way; what turns in is the reflected border
    shift_fraction: Fraction = 0.1  # of the side, each way
    crop_fraction: Fraction = 0.7  # side of the smallest cut-out, which is enlarged to the full size
    scale_factor: PositiveFloat = 1.2  # enlarged or reduced by at most this
    shear_degrees: NonNegativeFloat = 10.0  # either way
    brightness_fraction: Fraction = 0.2  # factor 1 ± this on all channels
    contrast_fraction: Fraction = 0.2  # factor 1 ± this about each channel's mean
    colour_fraction: Fraction = 0.1  # factor 1 ± this on each channel by itself
    noise_levels: NonNegativeFloat = 5.0  # greatest standard deviation, of 255 levels
    blur_pixels: NonNegativeFloat = 1.0  # greatest standard deviation
    interpolation: Literal["cubic", "linear"] = "cubic"  # linear is twice as fast, but smooths noise


def main(config: Config) -> None:
    from common.cluster import cluster

    with cluster(config.scheduler, [config.cache_dir], config.cache_dir):
        make_set(config)


def make_set(config: Config) -> None:
    import time

    from common.errors import InputError
    from data.augmentation import augmented_set
    from data.augmentation.plan import effect, in_other_sets
    from data.augmentation.writer import AugmentedWriter
    from data.cache import cache as caches

    start = time.monotonic()
    cache = caches.open_cache(config.cache_dir)
    if len(cache.shapes) > 1:
        raise InputError(
            f"{config.cache_dir} has images of several shapes (resize = bucket), of which no augmented set is made; "
            "train.py --operations and --sampling do the same on the fly"
        )
    tag = checked_tag(config)
    directory = augmented_set.augmented_dir(config.cache_dir, tag)
    writer = AugmentedWriter(directory, config.overwrite or config.plan_only)
    plan, rows, message = planned(config, cache, writer)
    found = effect(cache, rows, plan)
    print(message)
    show(cache, plan, found)
    for other, same in in_other_sets(cache, plan, tag).items():
        print(f"Warning: {same:,} of the new images are in the set {other} too; to train on both give another --seed")
    if config.plan_only:
        draw_planned(cache, found, config.cache_dir / f"class_counts_{tag}.png")
        print("Planned; nothing was augmented, because of --plan_only")
        header.next_command("augment.py", **header.changed_options(config))
        return
    record = header.record(config)
    decided = {name: value for name, value in record["config"].items() if name not in UNDECIDING}
    with writer:
        writer.begin({**decided, "cache": cache.meta["fingerprint"]})
        writer.write(cache, plan.images, config.workers)
        draw_counts(cache, found, writer.content / "class_counts_augmented.png")
        draw_preview(cache, plan, writer.content / "preview.png")
        writer.finish(cache, plan.images, plan.labels, {"effect": found.figures, **record})
    augmented_set.open_augmented(cache, tag)
    print(f"Wrote {directory}: {len(plan.images):,} images in {time.monotonic() - start:.0f} s;")
    print("look at its preview.png and class_counts_augmented.png before training")
    header.next_command("train.py", cache_dir=config.cache_dir, augmented=tag, sampling="all")


def checked_tag(config: Config) -> str:
    """The set's name, which becomes a folder's and an option's value."""
    from common.errors import InputError

    tag = config.tag or config.method
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", tag):
        raise InputError(
            f"tag = {tag!r}: must be letters, digits, and _ . + or -, with a letter or digit first: it names a folder"
        )
    return tag


def planned(config: Config, cache: "Cache", writer: "AugmentedWriter") -> tuple["Plan", "np.ndarray", str]:
    """Return the plan, the training rows that it draws on, and a message; the disk must have space for the plan."""
    from dataclasses import fields

    import numpy as np

    from common.errors import InputError
    from data.augmentation import plan as augmented_plan
    from data.augmentation.balance import label_density
    from data.augmentation.operations import Ranges

    ranges = Ranges(**{field.name: getattr(config, field.name) for field in fields(Ranges)})
    rows = cache.rows("train")
    rows = rows[(cache.labels[rows] <= 1).any(axis=1)]
    labels = cache.labels[rows]
    if not (labels == 1).any():
        raise InputError(f"{config.cache_dir}: no training image has a label, so there is nothing to augment")
    if config.method != "mixup_rare" and not ranges.operations:
        raise InputError("operations is empty: every new image would be a copy, pixel by pixel; name some")
    copies, message = copies_by_method(config, cache.class_names, labels)
    # Before the draws, which take long and much memory for a number that was a slip of the finger.
    writer.check_bytes(int(copies.sum()) * int(np.prod(cache.image_shape)))
    if config.method != "mixup_rare":
        return augmented_plan.copied(cache, rows, copies, ranges, config.seed), rows, message
    plan = augmented_plan.mixed(
        cache, rows, copies > 0, config.copies, config.partner, config.mixing_alpha, config.labels == "soft", ranges,
        config.seed,
    )  # fmt: skip
    density = label_density(labels), label_density(np.concatenate([labels, plan.labels]))
    return plan, rows, f"{message}\nLabel density {density[0]:.4f} before, {density[1]:.4f} after"


def copies_by_method(config: Config, class_names: list[str], labels: "np.ndarray") -> tuple["np.ndarray", str]:
    """Return the number of new images of each row (n,), from its labels (n, K), and a message."""
    import numpy as np

    from common.errors import InputError
    from data.augmentation.balance import plan_copies
    from data.augmentation.plan import rare_places

    if config.method == "rotate_all":
        message = f"rotate_all: {config.copies} new images of each of {len(labels):,} training images"
        return np.full(len(labels), config.copies), message
    if config.method == "balance":
        print("Planning copies ...")
        plan = plan_copies(labels, config.max_copies, config.new_images, config.target_ratio, config.seed)
        if not (used := int((plan.copies > 0).sum())):
            raise InputError("balance: no copy lowers the mean imbalance ratio any more, so there is nothing to make")
        return plan.copies, (
            f"balance: copies of {used:,} images; no plan of as many new images that lets the largest class grow as "
            f"little has a mean imbalance ratio below {plan.bound:.4g}"
        )
    rare = rare_places(config.rare, class_names, (labels == 1).sum(axis=0), config.rare_below)
    chosen = (labels[:, rare] == 1).any(axis=1)
    return chosen * config.copies, (
        f"{config.method}: {config.copies} new images of each of {chosen.sum():,} training images with a rare class "
        f"({', '.join(class_names[index] for index in rare)})"
    )


def show(cache: "Cache", plan: "Plan", found: "Effect") -> None:
    """Print the counts of each class before and after, and what became of the imbalance."""
    import numpy as np

    from data.augmentation.balance import imbalance_ratios
    from data.augmentation.plan import repeated
    from report import tables

    before, added = found.before, found.added
    ratios = imbalance_ratios(before), imbalance_ratios(before + added)
    order = np.argsort(-before, kind="stable")
    columns = ["class", "training\nimages", "new\nimages", "made of", "together", "imbalance\nbefore", "after"]
    tables.show(
        "Classes before and after",
        columns,
        [
            [cache.class_names[k], f"{before[k]:,}", f"{added[k]:,.0f}", f"{found.parents[k]:,}",
             f"{before[k] + added[k]:,.0f}", *(f"{ratio[k]:,.1f}" if before[k] else "–" for ratio in ratios)]
            for k in order
        ],
    )  # fmt: skip
    figures = found.figures
    ratio, smallest, largest = (figures[name] for name in ("mean_imbalance_ratio", "smallest_class", "largest_class"))
    print(f"New images             {figures['new_images']:,}, made of {figures['distinct_parents']:,} images")
    print(f"Mean imbalance ratio   {ratio[0]:.4g} before, {ratio[1]:.4g} after")
    print(f"Smallest class         {smallest[0]:,.0f} before, {smallest[1]:,.0f} after")
    print(f"Largest class          {largest[0]:,.0f} before, {largest[1]:,.0f} after (+{largest[1] - largest[0]:,.0f})")
    if missing := [cache.class_names[k] for k in np.flatnonzero(before == 0)]:
        print(f"Warning: no training image, so nothing to augment: {', '.join(missing)}")
    if same := repeated(plan):
        print(
            f"Warning: {same:,} of the new images are the same as another one or as their original; give fewer copies "
            "or more operations"
        )
    few = found.parents[added > 0]
    if len(few) and few.min() < FEW_PARENTS:
        print(
            'New images of very few originals teach what these look like, not what the class looks like: where "made '
            'of" is small, more labelled images are worth more than any augmentation.'
        )
    print()


def draw_planned(cache: "Cache", found: "Effect", path: Path) -> None:
    """The chart of a plan, if the cache's folder takes it: the plan itself has been printed."""
    try:
        draw_counts(cache, found, path)
    except OSError as error:
        print(f"Warning: no picture, {path} cannot be written ({error.strerror})")
    else:
        print(f"Picture: {path}")


def draw_counts(cache: "Cache", found: "Effect", path: Path) -> None:
    from report.dataset_plots import draw_augmented_counts

    draw_augmented_counts(cache.class_names, found.before, found.added.round().astype(int), found.parents, path)


def draw_preview(cache: "Cache", plan: "Plan", path: Path) -> None:
    """A contact sheet of new images, evenly from all of them."""
    import numpy as np

    from data.augmentation.new_image import make, new_id
    from data.splits.findings import label_names
    from report.dataset_plots import draw_preview

    chosen = np.unique(np.linspace(0, len(plan.images) - 1, PREVIEWED).round().astype(int)) if plan.images else []
    if not len(chosen):
        return
    pixels = np.stack([make(plan.images[place], list(cache.gather(plan.images[place].parents))) for place in chosen])
    ids = [new_id(cache.ids, plan.images[place]) for place in chosen]
    positive = ((plan.labels > 0) & (plan.labels <= 1)).astype(np.uint8)
    labels = [label_names(cache.class_names, positive[place]) for place in chosen]
    channels = () if cache.meta["preparation"]["channels"] in ("rgb", "gray") else cache.meta["channels"]
    draw_preview(pixels, ids, labels, path, channels)


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
