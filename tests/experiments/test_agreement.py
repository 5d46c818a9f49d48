"""Two readings of identical images, held against each other."""

import numpy as np

from experiments import agreement


def test_pairs_are_found_by_their_bytes_and_held_against_each_other(tmp_path, capsys):
    images = tmp_path / "images"
    images.mkdir()
    for name, content in {"1": b"a", "2": b"b", "3": b"a", "4": b"b", "5": b"c"}.items():
        (images / f"{name}.png").write_bytes(content)
    (tmp_path / "labels.csv").write_text("Id,Target\n1,0 1\n2,2\n3,0\n4,2\n5,1\n", encoding="utf-8")
    first, second = agreement.readings(images, tmp_path / "labels.csv")
    np.testing.assert_array_equal(first, [[1, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(second, [[1, 0, 0], [0, 0, 1]])
    agreement.main(images, tmp_path / "labels.csv")
    # Class 1 is in one reading alone: F1 0; micro: 4 right, one too many and one too few.
    assert capsys.readouterr().out.split("\n")[:2] == [
        "2 pairs: 1 agree in every label, 0.500;",
        "macro-F1 over the 3 classes that occur 0.667, micro-F1 0.800",
    ]
