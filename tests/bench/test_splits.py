"""bench/splits.py from the shell: its numbers are those of the split that it draws."""

import numpy as np

from data.labels.labels import write_labels


def test_the_table_of_a_small_set(shell, tmp_path):
    labels = np.eye(4, dtype=np.uint8)[np.arange(400) // 4 % 4]
    ids = [f"{row // 4}_{row % 4}" for row in range(400)]
    write_labels(tmp_path / "labels.csv", ids, labels, ["a", "b", "c", "d"], "columns")
    printed = shell("-m", "bench.splits", "--labels_csv", tmp_path / "labels.csv", "--classes_file", "None",
                    "--val_fraction", 0.2, "--test_fraction", 0.2, "--least_units", 25)  # fmt: skip
    assert "400 rows in 100 groups: 60.00 % train, 20.00 % val, 20.00 % test" in printed
    assert "groups in more than one split: 0" in printed
    assert "4 classes in 25 groups or more: 0.00 % apart at most" in printed
    assert "split in" in printed
