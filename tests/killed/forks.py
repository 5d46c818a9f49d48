"""Programs in forked children that are killed at a file-system operation of a given number: a start costs
milliseconds, and the kill is SIGKILL itself."""

import hashlib
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate")
MISTAKE, BROKEN = 1, 70  # exit statuses: a clear line, a traceback


@dataclass(frozen=True)
class End:
    """How a child ended: its exit status, negative for a signal; what it printed; operations in the folder so far."""

    status: int
    printed: str
    operations: int

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL


def forked(program: Callable[[], None], folder: Path, killed_at: int = 0) -> End:
    """Run a program in a child, which is killed before operation `killed_at` in the folder; 0 for never."""
    from common.errors import InputError

    with tempfile.TemporaryFile("w+b") as out, tempfile.TemporaryFile("w+b") as counted:
        sys.stdout.flush()
        child = os.fork()
        if not child:
            status = BROKEN
            try:
                for stream in (1, 2):
                    os.dup2(out.fileno(), stream)
                _count(folder, killed_at, counted.fileno())
                program()
                status = 0
            except InputError as error:
                print(f"error: {error}")
                status = MISTAKE
            except SystemExit as error:
                status = error.code
            except BaseException:
                traceback.print_exc(file=sys.stdout)
            finally:
                sys.stdout.flush()
                os._exit(status)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        counted.seek(0)
        end = End(os.waitstatus_to_exitcode(status), out.read().decode(), len(counted.read()))
    assert end.status != BROKEN, end.printed
    return end


def _count(folder: Path, killed_at: int, counted: int) -> None:
    place, done = str(folder), 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal done
        if event not in OPERATIONS:
            return
        path = arguments[0]
        # Removing a tree goes by names in an open folder.
        inside = isinstance(path, str | bytes | os.PathLike) and (
            os.fsdecode(path).startswith(place) or (event in ("os.remove", "os.rmdir") and arguments[-1] != -1)
        )
        if inside:
            done += 1
            os.write(counted, b".")
            if done == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def tree(folder: Path) -> dict[str, str]:
    """A digest of each file of a folder, by its place in it."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha1(path.read_bytes()).hexdigest() for path in found}
