"""A folder that is built aside from finished files, goes on after a stop, and is renamed when all is there."""

import shutil
from pathlib import Path
from typing import Any, Self

from common.errors import InputError
from common.files import partial_dir, read_json, write_json
from data.cache.cache import INDEX, LABELS

FINGERPRINT, LOCK = "fingerprint.json", "lock"


class FolderWriter:
    """A folder under construction in `.NAME.partial`, which lies beside where it goes.

    Use it in a `with` block, which keeps other runs out from `begin` until it ends, however it ends.

    Args:
        directory: where the finished folder goes.
        overwrite: whether it may replace a finished one, or an unfinished one of other inputs.
        marker: the JSON file, with a format_version, that only a finished folder of this kind holds.
        kind: what such a folder is called: cache, augmented set.
        option: the option that names it.

    Raises:
        InputError: there is a finished folder and `overwrite` is off, something of another kind, or a link to nothing.
    """

    def __init__(self, directory: Path, overwrite: bool, marker: str, kind: str, option: str) -> None:
        self.directory, self.overwrite, self.kind = Path(directory), overwrite, kind
        self._other = f"another --{option}"
        if self.directory.name in ("", ".."):
            raise InputError(f"{directory}: must name a folder of its own for the {kind}")
        if self.directory.is_symlink() and not self.directory.exists():
            raise InputError(f"{directory} is a link to what is not there; make the folder, or choose another name")
        if self.directory.exists() and (not self.directory.is_dir() or any(self.directory.iterdir())):
            if not _is_finished(self.directory, marker):
                raise InputError(f"{directory} exists and is not a {kind}; choose another name")
            if not overwrite:
                raise InputError(f"{directory} is a finished {kind}; give --overwrite to replace it, or {self._other}")
        self.partial, self._held = partial_dir(self.directory), None
        # One level down, so that the folder that is renamed at the end holds nothing else.
        self.content = self.partial / "content"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let other runs write this folder."""
        # Closed here and not when the object is collected: an exception that is kept keeps its frames' objects.
        if self._held is not None:
            self._held.close()
            self._held = None

    def begin(self, fingerprint: dict[str, Any]) -> None:
        """Go on with what an earlier run left, or begin.

        Args:
            fingerprint: everything that decides what the folder will hold, by name, ready for JSON.

        Raises:
            InputError: an earlier run left files of other inputs or settings, and `overwrite` is off; or another run is
                writing this folder now.
        """
        try:
            self._lock()
            self._begin(fingerprint)
        except BaseException:
            self.release()
            raise

    def _begin(self, fingerprint: dict[str, Any]) -> None:
        path = self.partial / FINGERPRINT
        if path.exists() and not self.overwrite:
            changes = _changes(read_json(path), fingerprint)
            if changes:
                raise InputError(
                    f"{self.partial} holds an unfinished {self.kind} that was begun with other inputs or settings:\n"
                    + "".join(f"  {change}\n" for change in changes)
                    + f"give --overwrite to begin again (what did not change is kept), or {self._other}"
                )
        self.content.mkdir(parents=True, exist_ok=True)
        _clear(self.partial)
        _clear(self.content)
        write_json(path, fingerprint)

    def check_bytes(self, needed: int) -> None:
        """Refuse before any work what the disk cannot hold.

        Raises:
            InputError: the images of the finished folder, `needed` bytes, are more than is free.
        """
        place = self.directory.absolute()
        there = next(folder for folder in place.parents if folder.is_dir())
        begun = sum(path.stat().st_size for path in self.content.glob("images-*.npy"))
        needed, free = needed - begun, shutil.disk_usage(there).free
        if needed > free:
            raise InputError(f"{self.directory} needs {needed / 1e9:.1f} GB, but {there} has {free / 1e9:.1f} GB free")

    def _lock(self) -> None:
        """Keep other runs out until `release`, or until this process ends, however it ends."""
        import fcntl

        self.partial.mkdir(parents=True, exist_ok=True)
        self._held = (self.partial / LOCK).open("w")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"{self.directory} is being written by another run; wait for it to end") from None
        if self.directory.exists() and any(self.directory.iterdir()) and not self.overwrite:
            raise InputError(f"{self.directory} was finished by another run meanwhile; give --overwrite to replace it")

    def put_in_place(self) -> None:
        """Make the built folder the finished one."""
        _clear(self.content)  # of a worker on another machine that was killed
        old = self.partial / "replaced"
        shutil.rmtree(old, ignore_errors=True)
        if self.directory.exists():
            self.directory.replace(old)
        self.content.replace(self.directory)
        shutil.rmtree(self.partial)
        self.release()


def _clear(directory: Path) -> None:
    """Remove what was written aside and never renamed."""
    for leftover in directory.glob(".*"):
        leftover.unlink(missing_ok=True)


def _is_finished(directory: Path, marker: str) -> bool:
    """Whether the marker is one of ours, or is damaged but lies beside the labels and the index of such a folder.

    Other programs keep a cache.json too, and their folders must not be replaced.
    """
    if not (directory / marker).is_file():
        return False
    try:
        description = read_json(directory / marker)
    except InputError:
        description = None
    ours = isinstance(description, dict) and "format_version" in description
    return ours or all((directory / name).is_file() for name in (INDEX, LABELS))


def _changes(before: object, now: dict[str, Any]) -> list[str]:
    if not isinstance(before, dict):
        return [f"{FINGERPRINT} is damaged"]
    return [
        f"{name}: was {before.get(name)}, is {now.get(name)}"
        if isinstance(now.get(name, 0), int | float | str) and not _is_digest(now.get(name))
        else f"{name}: changed"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == 40
