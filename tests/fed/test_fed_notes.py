"""Notes that scripts leave for themselves, damaged or edited: named in one clear line."""

import pytest
from feeding import fed

NOTES = {"bytes": b"\xff\xfe\xe9", "a field of 10 MB": b"epoch\n" + b"1" * 10_000_000}


@pytest.mark.parametrize("name", NOTES)
def test_times_of_epochs_that_cannot_be_read_are_named(tmp_path, name):
    from training.callbacks import read_table

    (tmp_path / "timing.csv").write_bytes(NOTES[name])
    said, _ = fed(lambda: read_table(tmp_path / "timing.csv"), tmp_path)
    assert said.startswith(f"error: {tmp_path / 'timing.csv'} cannot be read")


@pytest.mark.parametrize("text", ["[]", "5", "not JSON", '"settings"'])
def test_the_record_of_a_made_set_is_named(tmp_path, text):
    from data.synthetic import __main__ as synthetic

    (tmp_path / "images").mkdir()
    (tmp_path / "images" / synthetic.RECORD).write_text(text)
    config = synthetic.Config(image_dir=tmp_path / "images", labels_csv=tmp_path / "labels.csv", count=4, size=32)
    said, _ = fed(lambda: synthetic.main(config), tmp_path)
    assert synthetic.RECORD in said


def test_an_unfinished_cache_whose_fingerprint_is_damaged_is_named(tmp_path):
    from data.cache.cache_writer import CacheWriter

    (tmp_path / ".cache.partial").mkdir()
    (tmp_path / ".cache.partial" / "fingerprint.json").write_text("[" * 100_000)
    partial = tmp_path / ".cache.partial" / "lock"
    said, _ = fed(
        lambda: CacheWriter(tmp_path / "cache", False).begin({}), tmp_path, (partial, partial.with_name("content"))
    )
    assert "fingerprint.json is not valid JSON" in said
