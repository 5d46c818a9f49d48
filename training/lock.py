"""One process at a time in a run's folder."""

import errno
import fcntl
import os
import socket
from pathlib import Path

from data.faults import InputError
from run_folder import LOCK


class Lock:
    """Keeps other trainings out of a folder until it is released, or this process ends, however it ends.

    Args:
        run_dir: the folder, which need not be there yet.
    """

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = Path(run_dir)
        self._held: int | None = None

    def take(self) -> None:
        """Make the folder if need be, and lock it; nothing is done if it is locked by this object already.

        Raises:
            InputError: another process holds it; says which.
        """
        if self._held is not None:
            return
        self.run_dir.mkdir(parents=True, exist_ok=True)
        held = os.open(self.run_dir / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._lock(held)
        except BaseException:
            os.close(held)
            raise
        self._held = held

    def _lock(self, held: int) -> None:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):  # a file system without locks
                return
            holder = os.read(held, 200).decode(errors="replace").strip()
            raise InputError(
                f"{self.run_dir} is being trained by another process ({holder or 'unknown'}); wait for it, or give "
                "another --run_dir"
            ) from None
        os.ftruncate(held, 0)
        os.write(held, f"process {os.getpid()} on {socket.gethostname()}".encode())

    def release(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None
