"""The pictures of a set before any training: class_counts.png and preview.png."""

from pathlib import Path

import numpy as np

from data.images.errors import ImageError
from data.images.image_files import prepare
from data.images.preparation import Preparation
from data.labels.label_forms import SPLITS
from data.splits.findings import label_names, preview_rows, split_table
from data.splits.survey import Collection, Division
from report.dataset_plots import draw_class_counts, draw_preview

PREVIEWED = 24  # images on the contact sheet


def draw(folder: Path, collection: Collection, division: Division, preparation: Preparation) -> None:
    """Draw both.

    Args:
        folder: where they go.
        collection, division, preparation: the images, their split, and how they become pixels.
    """
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
        labels = [label_names(table.class_names, table.labels[row]) for row in rows]
        ids, path = [table.ids[row] for row in rows], folder / "preview.png"
        draw_preview(images, ids, labels, path, () if preparation.is_picture else preparation.channel_names)
