"""A folder that is built aside holds in the end what was finished, and nothing else."""

import pytest

from data.folder_writer import FolderWriter


@pytest.mark.parametrize("before", [True, False])
def test_what_a_killed_process_wrote_aside_is_not_in_the_finished_folder(before, tmp_path):
    writer = FolderWriter(tmp_path / "set", False, "set.json", "set", "set_dir")
    writer.content.mkdir(parents=True)
    leftover = writer.content / ".images-00003.28855.npy"
    if before:
        leftover.write_bytes(b"half")
    writer.begin({"seed": 0})
    assert not leftover.exists()
    (writer.content / "images-00000.npy").write_bytes(b"whole")
    if not before:
        leftover.write_bytes(b"half")  # a worker on another machine was killed meanwhile
    writer.put_in_place()
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["images-00000.npy"]
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
