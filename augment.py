"""Make new training images for the rare classes, into augmented/TAG of a cache. Edit the header, or override it:
python augment.py --cache_dir cache/cells-128 --method balance --plan_only"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import header
from header import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Seed

PREVIEWED = 24  # images on the contact sheet
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
    plan_only: bool = False  # show what the method would do to the counts, but write nothing
    overwrite: bool = False  # replace an earlier set of this tag
    workers: NonNegativeInt = 0  # processes; 0: one a core
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
    interpolation: Literal["cubic", "linear"] = "cubic"  # linear is three times as fast, but smooths noise


def main(config: Config) -> None:
    import time

    from data import augmented
    from data import cache as caches
    from data.augmented_writer import AugmentedWriter

    start = time.monotonic()
    cache = caches.open_cache(config.cache_dir)
    tag = checked_tag(config)
    directory = augmented.augmented_dir(config.cache_dir, tag)
    writer = None if config.plan_only else AugmentedWriter(directory, config.overwrite)
    plan, rows, words = planned(config, cache)
    effect = effect_of(cache, rows, plan)
    print(words)
    show(config, cache, effect)
    if writer is None:
        picture = config.cache_dir / "class_counts_augmented.png"
        draw_counts(cache, effect, picture)
        print(f"Picture: {picture}")
        print("Planned; nothing was augmented, because of --plan_only")
        header.next_command("augment.py", **header.changed_options(config))
        return
    import numpy as np

    record = header.record(config)
    writer.check_bytes(len(plan.images) * int(np.prod(cache.image_shape)))
    told = {name: value for name, value in record["config"].items() if name not in ("overwrite", "workers")}
    writer.begin({**told, "cache": cache.meta["fingerprint"]})
    writer.write(cache, plan.images, config.workers)
    draw_counts(cache, effect, writer.content / "class_counts_augmented.png")
    draw_preview(cache, plan, writer.content / "preview.png")
    writer.finish(cache, plan.images, plan.labels, {"effect": effect["figures"], **record})
    print(f"Wrote {directory}: {len(plan.images):,} images in {time.monotonic() - start:.0f} s;")
    print("look at its preview.png and class_counts_augmented.png before training")
    header.next_command("train.py", cache_dir=config.cache_dir, augmented=tag)


def checked_tag(config: Config) -> str:
    """The set's name, which becomes a folder's."""
    from data.faults import InputError

    tag = config.tag or config.method
    if tag in (".", "..") or tag.startswith(".") or set(tag) & set('/\\:*?"<>|\0'):
        raise InputError(f"tag = {tag!r}: cannot be the name of a folder")
    return tag


def planned(config: Config, cache: Any) -> tuple[Any, Any, str]:
    """The plan, the training rows that it draws on, and what it does in words."""
    from dataclasses import fields

    import numpy as np

    from data import augmented_plan
    from data.augmentation import Ranges
    from data.balance import label_density, plan_copies
    from data.faults import InputError

    ranges = Ranges(**{field.name: getattr(config, field.name) for field in fields(Ranges)})
    rows = cache.rows("train")
    rows = rows[(cache.labels[rows] <= 1).any(axis=1)]
    labels = cache.labels[rows]
    if not (labels == 1).any():
        raise InputError(f"{config.cache_dir}: no training image has a label, so there is nothing to augment")
    if config.method != "mixup_rare" and not ranges.operations:
        raise InputError("operations is empty: every new image would be a copy, pixel by pixel; name some")
    counts = (labels == 1).sum(axis=0)
    if config.method == "balance":
        copies = plan_copies(labels, config.max_copies, config.new_images, config.target_ratio, config.seed)
        plan = augmented_plan.copied(cache, rows, copies.copies, ranges, config.seed)
        return plan, rows, (
            f"balance: {len(plan.images):,} new images, copies of {(copies.copies > 0).sum():,} images; no plan of as "
            f"many that lets the largest class grow as little has a mean imbalance ratio below {copies.bound:.4g}"
        )  # fmt: skip
    if config.method == "rotate_all":
        plan = augmented_plan.copied(cache, rows, np.full(len(rows), config.copies), ranges, config.seed)
        return plan, rows, f"rotate_all: {config.copies} new images of each of {len(rows):,} training images"
    rare = augmented_plan.rare_places(config.rare, cache.class_names, counts, config.rare_below)
    chosen = (labels[:, rare] == 1).any(axis=1)
    carriers = f"{chosen.sum():,} training images with a rare class ({', '.join(cache.class_names[k] for k in rare)})"
    if config.method == "rotate_rare":
        plan = augmented_plan.copied(cache, rows, chosen * config.copies, ranges, config.seed)
        return plan, rows, f"rotate_rare: {config.copies} new images of each of {carriers}"
    plan = augmented_plan.mixed(
        cache, rows, chosen, config.copies, config.partner, config.mixing_alpha, config.labels == "soft", ranges,
        config.seed,
    )  # fmt: skip
    density = label_density(labels), label_density(np.concatenate([labels, np.ceil(plan.labels).astype(np.uint8)]))
    return plan, rows, (
        f"mixup_rare: {config.copies} mixtures of each of {carriers}; label density {density[0]:.4f} before, "
        f"{density[1]:.4f} after"
    )  # fmt: skip


def effect_of(cache: Any, rows: Any, plan: Any) -> dict[str, Any]:
    """What the plan does to the counts: (K,) arrays, and the figures to print and to keep."""
    import numpy as np

    from data.balance import mean_imbalance_ratio

    before = (cache.labels[rows] == 1).sum(axis=0)
    positive = (plan.labels > 0) & (plan.labels <= 1)
    added = positive.sum(axis=0)
    # A class's new images count little if they are all made of the same few originals.
    parents = np.zeros((len(cache.class_names), len(cache)), dtype=bool)
    for image, labels in zip(plan.images, positive, strict=True):
        for parent in image.parents:
            parents[np.flatnonzero(labels & (cache.labels[parent] == 1)), parent] = True
    largest = int(before.argmax())
    figures = {
        "new_images": len(plan.images),
        "distinct_parents": len({parent for image in plan.images for parent in image.parents}),
        "mean_imbalance_ratio": [mean_imbalance_ratio(before), mean_imbalance_ratio(before + added)],
        "smallest_class": [int(before[before > 0].min()), int((before + added)[before > 0].min())],
        "largest_class": [int(before[largest]), int((before + added).max())],
        "counts_before": before.tolist(),
        "counts_after": (before + added).tolist(),
    }
    return {"before": before, "added": added, "parents": parents.sum(axis=1), "figures": figures}


def show(config: Config, cache: Any, effect: dict[str, Any]) -> None:
    """Print the counts of each class before and after, and what became of the imbalance."""
    import numpy as np

    from data.balance import imbalance_ratios
    from report import tables

    before, added = effect["before"], effect["added"]
    ratios = imbalance_ratios(before), imbalance_ratios(before + added)
    order = np.argsort(-before, kind="stable")
    columns = ["class", "training\nimages", "new\nimages", "made of", "together", "imbalance\nbefore", "after"]
    tables.show(
        "Classes before and after",
        columns,
        [
            [cache.class_names[k], f"{before[k]:,}", f"{added[k]:,}", f"{effect['parents'][k]:,}",
             f"{before[k] + added[k]:,}", *(f"{ratio[k]:,.1f}" if before[k] else "–" for ratio in ratios)]
            for k in order
        ],
    )  # fmt: skip
    figures = effect["figures"]
    ratio, smallest, largest = (figures[name] for name in ("mean_imbalance_ratio", "smallest_class", "largest_class"))
    print(f"New images             {figures['new_images']:,}, made of {figures['distinct_parents']:,} images")
    print(f"Mean imbalance ratio   {ratio[0]:.4g} before, {ratio[1]:.4g} after")
    print(f"Smallest class         {smallest[0]:,} before, {smallest[1]:,} after")
    print(f"Largest class          {largest[0]:,} before, {largest[1]:,} after (+{largest[1] - largest[0]:,})")
    if missing := [cache.class_names[k] for k in np.flatnonzero(before == 0)]:
        print(f"Warning: no training image, so nothing to augment: {', '.join(missing)}")
    elif not added.any():
        print("Warning: no new image of any class")
    few = effect["parents"][(added > 0)]
    if len(few) and few.min() < 10:
        print(
            'New images of very few originals teach what these look like, not what the class looks like: where "made '
            'of" is small, more labelled images are worth more than any augmentation.'
        )
    print()


def draw_counts(cache: Any, effect: dict[str, Any], path: Path) -> None:
    from report.dataset_plots import draw_augmented_counts

    draw_augmented_counts(cache.class_names, effect["before"], effect["added"], effect["parents"], path)


def draw_preview(cache: Any, plan: Any, path: Path) -> None:
    """A contact sheet of new images, evenly from all of them."""
    import numpy as np

    from data.augmented_writer import make, new_id
    from data.findings import label_names
    from report.dataset_plots import draw_preview

    chosen = np.unique(np.linspace(0, len(plan.images) - 1, PREVIEWED).round().astype(int)) if plan.images else []
    if not len(chosen):
        return
    pixels = np.stack([make(plan.images[place], list(cache.gather(plan.images[place].parents))) for place in chosen])
    ids = [new_id(cache, plan.images[place]) for place in chosen]
    positive = ((plan.labels > 0) & (plan.labels <= 1)).astype(np.uint8)
    labels = [label_names(cache.class_names, positive[place]) for place in chosen]
    channels = () if cache.meta["preparation"]["channels"] in ("rgb", "gray") else cache.meta["channels"]
    draw_preview(pixels, ids, labels, path, channels)


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
