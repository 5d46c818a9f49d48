"""Large, medium and small classes: the thirds of those with images, and their figures in every split."""

import numpy as np
import pytest

from evaluation import class_sizes


def row(name, images, support, f1=0.0, **more):
    return {"class": name, "training_images": images, "support": support, "f1": f1, "precision": f1, "recall": f1,
            "AP": f1, **more}  # fmt: skip


@pytest.mark.parametrize(("count", "sizes"), [(0, [0, 0, 0]), (1, [1, 0, 0]), (5, [2, 2, 1]), (28, [10, 9, 9])])
def test_thirds_of_the_classes_with_images(count, sizes):
    rows = [row(str(images), images, 1) for images in np.random.default_rng(0).permutation(count)]
    rows.append(row("absent", 10**6, 0))
    found = class_sizes.thirds(rows)
    assert [len(found[size]) for size in ("large", "medium", "small")] == sizes
    ordered = [each["training_images"] for part in found.values() for each in part]
    assert ordered == sorted(range(count), reverse=True)


def test_figures_of_the_same_classes_in_every_split():
    test = [row("a", 90, 9, 0.9), row("b", 50, 5, 0.5), row("c", 5, 1, 0.1), row("d", 70, 7, 0.7), row("e", 60, 0)]
    val = [row("d", 70, 7, 0.6), row("a", 90, 9, 0.8), row("b", 50, 0), row("c", 5, 1, 0.2), row("e", 60, 9, 0.9)]
    found = class_sizes.figures({"val": {"0.5": val}, "test": {"0.5": test}}, "test")
    assert [each["classes"] for each in found] == [["a", "d"], ["b"], ["c"]]
    assert found[0]["training_images"] == [70, 90] and found[0]["support"] == [7, 9]
    assert found[0]["choices"]["0.5"]["f1"] == pytest.approx({"val": 0.7, "test": 0.8})
    assert np.isnan(found[1]["choices"]["0.5"]["f1"]["val"])
    assert found[2]["choices"]["0.5"]["recall"] == found[2]["AP"] == pytest.approx(0.1)
