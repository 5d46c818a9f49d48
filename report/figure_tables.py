"""The figures of a run in words: a table of all, and what they are to be held against."""

from typing import Any

from evaluation.class_sizes import FEW_IN_DRAWS
from evaluation.figures import SIZE
from report import tables
from report.formatting import between, number, off_centre

NAMES = {
    "macro_f1": "macro-F1, all classes",
    "macro_f1_present": "macro-F1, classes present",
    "micro_f1": "micro-F1",
    "weighted_f1": "weighted F1",
    "samples_f1": "samples-F1",
    "subset_accuracy": "subset accuracy",
    "hamming_loss": "Hamming loss",
    "mAP": "mAP",
    "AUC": "AUC",
    "ECE": "ECE, all labels together",
    "class_ECE": "ECE, mean of the classes",
}


def show(split: str, found: dict[str, Any], more: dict[str, Any]) -> None:
    """Print the figures of all splits side by side with the intervals of the evaluated one, and the sizes' table.

    Args:
        split: the one that is evaluated.
        found: split → choice → the figures of `NAMES`.
        more: `evaluation.figures.context`.
    """
    choices = list(found[split])
    choice = choices[-1]
    kinds = list(more["intervals"])
    span = {"images": "95 %\ninterval", "groups": "the same\nby group"}
    half = [f"{split}\nat 0.5"] if choice != "0.5" else []
    tables.show(
        f"Figures at {'the tuned thresholds' if choice != '0.5' else '0.5'}, 0/0 counted 0",
        ["figure", *found, *(span[kind] for kind in kinds), *half, "classes'\nown rates"],
        [
            [
                text,
                *(number(by_choice[choice][name]) for by_choice in found.values()),
                *(between(more["intervals"][kind][choice].get(name)) for kind in kinds),
                *(number(found[split]["0.5"][name]) for _ in half),
                number(more["baseline"][name]),
            ]
            for name, text in NAMES.items()
        ],
    )
    tables.show(
        f"Classes by size: thirds of those with {split} images, in order of their training images",
        ["size", "classes", "train\nimages", *(f"F1\n{name}" for name in found), *(span[kind] for kind in kinds),
         "precision", "recall", "AP"],
        [
            [
                each["size"],
                str(len(each["classes"])),
                " to ".join(f"{count:,}" for count in dict.fromkeys(each["training_images"])),
                *(number(each["choices"][choice]["f1"][name]) for name in found),
                *(between(more["intervals"][kind][choice].get(SIZE.format(each["size"]))) for kind in kinds),
                *(number(each["choices"][choice][name]) for name in ("precision", "recall")),
                number(each["AP"]),
            ]
            for each in more["class_sizes"]
        ],
    )  # fmt: skip


def words(split: str, found: dict[str, Any], more: dict[str, Any]) -> list[str]:
    """How sure the macro-F1 is and what it is to be held against, in sentences."""
    choice = list(found[split])[-1]
    said = []
    spans = {kind: between(by_choice[choice]["macro_f1"]) for kind, by_choice in more["intervals"].items()}
    if spans:
        text = f"With other {split} images the macro-F1 may be another: its 95 % interval is {spans['images']}"
        said.append(text + (f", and {spans['groups']} if whole groups are drawn." if "groups" in spans else "."))
        sizes, span = more["class_sizes"], more["intervals"]["images"][choice]["macro_f1"]
        if sizes and sizes[-1]["support"][0] <= FEW_IN_DRAWS and off_centre(found[split][choice]["macro_f1"], span):
            said.append("It lies off-centre: a draw that has no image of a rare class leaves the class out.")
    guess = more["baseline"]["macro_f1"]
    said.append(f"Guessing each class as often as it occurs in training would give {guess:.3f}.")
    if sizes := more["class_sizes"]:
        parts = [f"{each['choices'][choice]['f1'][split]:.3f} of the {each['size']}" for each in sizes]
        said.append(f"F1 by size of the classes: {', '.join(parts)} ones.")
    return said
