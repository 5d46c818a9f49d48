"""What is kept of the runs of a row: their scores and rates, and nothing of what lies beside them."""

import numpy as np

from experiments import store_scores


def test_scores_of_all_repeats_are_kept(tmp_path, monkeypatch, capsys):
    labels = np.array([[1, 0], [1, 1], [1, 255]], dtype=np.uint8)
    scores = np.array([[0.9, 0.2], [0.8, 0.7], [0.9, 0.1]], dtype=np.float32)
    for seed in "01":
        folder = tmp_path / "whole" / seed / "scores"
        folder.mkdir(parents=True)
        for split in ("train", "val", "test"):
            np.savez(folder / f"{split}.npz", labels=labels, scores=scores / (1 + int(seed)))
    (tmp_path / "whole" / "2.log").touch()
    monkeypatch.setattr(store_scores, "__file__", str(tmp_path / "store_scores.py"))
    store_scores.main(tmp_path / "whole")
    with np.load(tmp_path / "scores" / "whole.npz") as kept:
        assert len(kept) == 10
        np.testing.assert_array_equal(kept["0/rates"], [1, 0.5])
        np.testing.assert_array_equal(kept["1/test/scores"], scores / 2)
        np.testing.assert_array_equal(kept["0/val/labels"], labels)
    assert "2 runs" in capsys.readouterr().out
