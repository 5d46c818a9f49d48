"""What is worth knowing about a set of images before training: duplicates, giveaways, sizes, and rows worth showing."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from common.errors import listing
from data.images.image_files import ImageInfo
from data.labels.label_forms import SPLITS
from data.labels.labels import LabelTable, label_statistics
from data.splits.splits import missing_classes
from data.tables.spreadsheet import some

FEWEST_GIVEAWAY_ROWS = 8  # fewer images may share a property by chance


def duplicates(hashes: Sequence[str]) -> list[list[int]]:
    """Sets of two or more rows with byte-identical files, in the order of their first rows; empty hashes left out."""
    rows: dict[str, list[int]] = {}
    for row, digest in enumerate(hashes):
        if digest:
            rows.setdefault(digest, []).append(row)
    return [found for found in rows.values() if len(found) > 1]


def disagreeing(sets: list[list[int]], labels: np.ndarray) -> list[list[int]]:
    """The sets of rows in which a label is 1 in one row and 0 in another; unknown disagrees with nothing."""
    return [rows for rows in sets if ((labels[rows] == 1).any(axis=0) & (labels[rows] == 0).any(axis=0)).any()]


def giveaways(infos: Sequence[ImageInfo | None], labels: np.ndarray) -> list[tuple[int, str, int]]:
    """File properties that give a class away: the images of a class are exactly those of one format, mode or size.

    Args:
        infos: N headers, None where a file cannot be used.
        labels: (N, K) uint8; an unknown label speaks neither for it nor against.

    Returns:
        The class's index, the property in words, and how many images of the class there are.
    """
    usable = np.array([info is not None for info in infos], dtype=bool)
    found = []
    for words, name in (("file format", "format"), ("colour mode", "mode"), ("native size", "size")):
        values = np.array([_property(info, name) for info in infos], dtype=np.str_)
        _, numbers = np.unique(values, return_inverse=True)
        # Class by class, because there may be as many native sizes as images.
        for label, column in enumerate(labels.T):
            positive, negative = usable & (column == 1), usable & (column == 0)
            if positive.sum() < FEWEST_GIVEAWAY_ROWS:
                continue
            shown = numbers[positive]
            rows = numbers == shown[0]
            if (shown == shown[0]).all() and not negative[rows].any() and negative[~rows].any():
                found.append((label, f"{words} {values[positive][0]}", len(shown)))
    return found


def finding_warnings(table: LabelTable, hashes: Sequence[str], infos: Sequence[ImageInfo | None]) -> list[str]:
    """Identical images whose labels disagree, and properties that give a class away, each in words."""
    texts = []
    if conflicts := disagreeing(duplicates(hashes), table.labels):
        ids = [" / ".join(table.ids[row] for row in rows) for rows in conflicts]
        texts.append(listing(f"{len(conflicts)} sets of identical images whose labels disagree (ids):", ids))
    return texts + [found["text"] for found in giveaway_texts(table, infos)]


def giveaway_texts(table: LabelTable, infos: Sequence[ImageInfo | None]) -> list[dict[str, str]]:
    """`giveaways` by "class" and in words, "text", as cache.json keeps them for the runs trained on it."""
    return [
        {
            "class": table.class_names[label],
            "text": f"{words} gives {table.class_names[label]} away: its {count} images and no others; a model may "
            "learn it",
        }
        for label, words, count in giveaways(infos, table.labels)
    ]


def native_sizes(infos: Sequence[ImageInfo | None]) -> list[tuple[tuple[int, int], int]]:
    """(width, height) and how many images have it, the most frequent first."""
    counts: dict[tuple[int, int], int] = {}
    for info in infos:
        if info:
            counts[info.width, info.height] = counts.get((info.width, info.height), 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def preview_rows(labels: np.ndarray, usable: np.ndarray, count: int) -> list[int]:
    """Rows that show each class at least once where `count` allows: the rarest class still unseen first.

    Args:
        labels: (N, K) uint8.
        usable: (N,) bool, rows that may be chosen; those without any known label are not.
        count: how many.

    Returns:
        At most `count` rows, rising.
    """
    usable = usable & (labels <= 1).any(axis=1)
    positive = (labels == 1) & usable[:, None]
    chosen: list[int] = []
    seen = np.zeros(labels.shape[1], dtype=bool)
    while len(chosen) < count:
        unseen = np.flatnonzero(~seen & positive.any(axis=0))
        if not len(unseen):
            break
        rarest = unseen[np.argmin(positive[:, unseen].sum(axis=0))]
        # Among its images the one that shows the most unseen classes: fewer images are needed for all.
        rows = np.flatnonzero(positive[:, rarest])
        chosen.append(int(rows[np.argmax(positive[np.ix_(rows, unseen)].sum(axis=1))]))
        seen |= positive[chosen[-1]]
    others = np.setdiff1d(np.flatnonzero(usable), chosen)
    missing = min(count - len(chosen), len(others))
    if missing > 0:
        chosen += others[np.linspace(0, len(others) - 1, missing).round().astype(int)].tolist()
    return sorted(set(chosen))


def label_names(class_names: Sequence[str], labels: np.ndarray) -> list[str]:
    """The classes of an image, (K,) labels, and behind them as ?name those that are unknown; ? alone where all are."""
    if (labels > 1).all():
        return ["?"]
    unknown = [f"?{class_names[label]}" for label in np.flatnonzero(labels > 1)]
    return [class_names[label] for label in np.flatnonzero(labels == 1)] + unknown


def split_table(labels: np.ndarray, split: Sequence[str]) -> np.ndarray:
    """Positive rows of each class in train, val and test: (K, 3) int64."""
    names = np.asarray(split, dtype=object)
    return np.stack([(labels[names == name] == 1).sum(axis=0) for name in SPLITS], axis=1)


def overview(table: LabelTable, hashes: Sequence[str], infos: Sequence[ImageInfo | None]) -> dict[str, str]:
    """What a set holds, a few words to each name: sizes, formats, labels, duplicates, groups, sources."""
    statistics = label_statistics(table.labels)
    formats = Counter(info.format for info in infos if info)
    sets = duplicates(hashes)
    unknown = table.labels > 1
    silent = unknown.all(axis=1)
    bare = [table.ids[row] for row in ((table.labels != 1).all(axis=1) & ~silent).nonzero()[0]]
    where = f" in {unknown.any(axis=1).sum():,} images, all of {silent.sum():,}" if unknown.any() else ""
    counts = [count for count, rows in enumerate(statistics["labels_per_image_histogram"]) if rows] or [0]
    lines = {
        "images": f"{len(table.ids):,}",
        "classes": f"{len(table.class_names):,}",
        "native sizes": some([f"{width} × {height} ({count:,})" for (width, height), count in native_sizes(infos)]),
        "formats": ", ".join(f"{name} ({count:,})" for name, count in formats.most_common()),
        "labels an image": f"{statistics['labels_per_image']:.3f} on average, {counts[0]} to {counts[-1]}",
        "label density": f"{statistics['label_density']:.4f}",
        "without a label": f"{len(bare):,}" + (f" (ids {some(bare)})" if bare else ""),
        "unknown labels": f"{unknown.sum():,}{where}",
        "duplicates": f"{len(sets):,} sets of byte-identical images ({sum(map(len, sets)):,} images)",
        "": f"{len(disagreeing(sets, table.labels)):,} of these sets disagree in their labels",
    }
    if len(set(table.source or ())) > 1:
        across = [rows for rows in sets if len({table.source[row] for row in rows}) > 1]
        examples = some([" / ".join(table.ids[row] for row in rows) for rows in across])
        lines[" "] = f"{len(across):,} of these sets lie in several sources" + (f" ({examples})" if across else "")
        lines["sources"] = ", ".join(f"{name} ({count:,})" for name, count in Counter(table.source).items())
    if table.group is not None:
        lines["groups"] = f"{len(set(table.group) - {''}):,}"
    return lines


def near_words(ids: Sequence[str], near: Sequence[str], pairs: np.ndarray) -> str:
    """How many near-duplicates were joined, with the first of them."""
    sizes = Counter(name for name in near if name)
    if not sizes:
        return "Near-duplicates: none\n"
    found = f"{sizes.total():,} images joined into {len(sizes):,} sets, the largest of {max(sizes.values()):,}"
    return listing(f"Near-duplicates: {found}:", [f"{ids[one]} / {ids[other]}" for one, other in pairs.tolist()]) + "\n"


def split_counts_by_source(table: LabelTable, split: Sequence[str]) -> dict[str, tuple[list[int], list[int]]]:
    """For each source its images in train, val and test, and its positive rows of each class."""
    sources, names = np.asarray(table.source or [], dtype=object), np.asarray(split, dtype=object)
    return {
        source: (
            [int(((sources == source) & (names == name)).sum()) for name in SPLITS],
            (table.labels[sources == source] == 1).sum(axis=0).tolist(),
        )
        for source in dict.fromkeys(table.source or [])
    }


def division_tables(table: LabelTable, split: Sequence[str]) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Title, columns and rows of the tables of images a class and, where there are several sources, a source."""
    counts = split_table(table.labels, split).tolist()
    by_source = split_counts_by_source(table, split)
    sources = list(by_source) if len(by_source) > 1 else []
    body = [
        [name, sum(row), *row, *(by_source[source][1][label] for source in sources)]
        for label, (name, row) in enumerate(zip(table.class_names, counts, strict=True))
    ]
    rows = [list(split).count(name) for name in SPLITS]
    body.append(["all images", sum(rows), *rows, *(sum(by_source[source][0]) for source in sources)])
    tables = {"Images a class": (["class", "images", *SPLITS, *sources], body)}
    if sources:
        body = [[name, sum(by_source[name][0]), *by_source[name][0]] for name in sources]
        tables["Images a source"] = (["source", "images", *SPLITS], body)
    return {
        title: (columns, [[name, *map("{:,}".format, numbers)] for name, *numbers in body])
        for title, (columns, body) in tables.items()
    }


def division_warnings(table: LabelTable, split: Sequence[str]) -> list[str]:
    """Classes and splits without images, each in words."""
    present = (table.labels == 1).any(axis=0)
    texts = [f"no image at all has class {table.class_names[label]}" for label in np.flatnonzero(~present)]
    for name, missing in missing_classes(table.labels, split).items():
        if name not in split:
            texts.append(f"{name} has no images")
        else:
            texts += [f"{name} has no image of class {table.class_names[label]}" for label in missing if present[label]]
    return texts


def _property(info: ImageInfo | None, name: str) -> str:
    if info is None:
        return ""
    return f"{info.width} × {info.height}" if name == "size" else getattr(info, name)
