"""A folder built aside holds what was finished and nothing else in the end, and its lock ends with the work."""

import fcntl

import pytest

from common.errors import InputError
from data.cache.folder_writer import LOCK, FolderWriter


def writer(folder, overwrite=False) -> FolderWriter:
    return FolderWriter(folder / "set", overwrite, "set.json", "set", "set_dir")


@pytest.mark.parametrize("before", [True, False])
def test_what_a_killed_process_wrote_aside_is_not_in_the_finished_folder(before, tmp_path):
    made = writer(tmp_path)
    made.content.mkdir(parents=True)
    leftover = made.content / ".images-00003.28855.npy"
    if before:
        leftover.write_bytes(b"half")
    with made:
        made.begin({"seed": 0})
        assert not leftover.exists()
        (made.content / "images-00000.npy").write_bytes(b"whole")
        if not before:
            leftover.write_bytes(b"half")  # a worker on another machine was killed meanwhile
        made.put_in_place()
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["images-00000.npy"]
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_another_run_is_kept_out_until_the_block_ends(tmp_path):
    with writer(tmp_path) as made:
        made.begin({"seed": 0})
        with pytest.raises(InputError, match="is being written by another run"):
            writer(tmp_path).begin({"seed": 0})
    with writer(tmp_path) as again:
        again.begin({"seed": 0})


def failing(folder):
    """A writer whose work fails."""
    with writer(folder) as made:
        made.begin({"seed": 0})
        raise KeyboardInterrupt


def of_other_settings(folder):
    with writer(folder) as made:
        made.begin({"seed": 0})
    writer(folder).begin({"seed": 1})


def finished_meanwhile(folder):
    made = writer(folder)
    (folder / "set").mkdir()
    (folder / "set" / "set.json").write_text('{"format_version": 1}')
    made.begin({"seed": 0})


def without_room(folder):
    made = writer(folder)
    made.partial.mkdir()
    made.content.write_text("a file where the folder goes")
    made.begin({"seed": 0})


@pytest.mark.parametrize("fails", [failing, of_other_settings, finished_meanwhile, without_room])
def test_a_lock_ends_with_the_work_though_the_error_is_kept(fails, tmp_path):
    with pytest.raises((InputError, KeyboardInterrupt, OSError)) as kept:
        fails(tmp_path)
    with (tmp_path / ".set.partial" / LOCK).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert kept.tb  # and with it every object of the frames


def test_a_finished_folder_keeps_no_lock(tmp_path):
    made = writer(tmp_path)
    made.begin({"seed": 0})
    with (made.partial / LOCK).open() as file:
        made.put_in_place()
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
