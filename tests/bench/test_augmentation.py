"""The benches of augmentation from the shell, small: every contender runs, and the tables say of what."""

import numpy as np

from data.labels.labels import write_labels


def test_rotation_has_all_contenders(shell):
    printed = shell("-m", "bench.augment", "--size", 32, "--images", 4, "--rounds", 2)
    for name in ("ours, linear", "ours, cubic", "warpAffine alone, cubic", "scipy.ndimage", "RandomRotation"):
        assert name in printed


def test_online_operations_are_held_against_a_step(shell):
    printed = shell("-m", "bench.online", "--size", 32, "--batch_size", 8, "--rounds", 2)
    assert "a step of the CNN takes" in printed
    assert "quarter turns and flips" in printed


def test_plans_are_held_against_copying(shell, tmp_path):
    labels = np.eye(3, dtype=np.uint8)[np.repeat([0, 1, 2], [80, 15, 5])]
    write_labels(tmp_path / "labels.csv", [str(row) for row in range(100)], labels, ["a", "b", "c"], "columns")
    printed = shell("-m", "bench.balance", "--labels_csv", tmp_path / "labels.csv", "--classes_file", "None",
                    "--new_images", 40)  # fmt: skip
    rows = {line.split("  ")[0]: line.split() for line in printed.splitlines()}
    assert rows["as they are"][4] == "7.444"
    # Nine copies of the five images of c: 80 / 50 and 80 / 15.
    assert rows["9 copies of each rare image"][6:9] == ["45", "5", "2.644"]
    assert "plan, at most 9 copies" in printed
