"""What comes of feeding something to a script: nothing wrong, or the lines that its user reads; and nothing else."""

import hashlib
import io
import os
import re
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

import header

SECONDS = 120  # that no case takes; against hangs, not a measure of speed
LONGEST_LINE = 1000  # characters, without the folders of the test
# What would move a terminal's cursor, or colour its text.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@contextmanager
def in_time() -> Iterator[None]:
    """Fail where the block hangs. What is raised is no Exception, so that no code under test takes it for its own."""

    def late(*_: Any) -> None:
        pytest.fail(f"did not end within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fed(call: Callable[[], Any], folder: Path, written: tuple[Path, ...] = ()) -> tuple[str, str]:
    """What a script's user reads where a call ends in a mistake, empty where it succeeds, and what was printed before.

    Fails on a traceback, on characters that a terminal obeys, on a line that nobody reads to its end, on a hang, and
    where anything in the folder changed but what was to be written.

    Args:
        call: what the script's main does.
        folder: holds all that the case made; its relative paths lead there.
        written: files and folders that the call may write.
    """
    before, printed, errors = _state(folder, written), io.StringIO(), io.StringIO()
    with in_time(), redirect_stdout(printed), redirect_stderr(errors):
        try:
            call()
        except Exception as error:
            header._show_mistake(type(error), error, error.__traceback__)
    said, told = errors.getvalue(), printed.getvalue()
    assert not said or said.startswith("error: "), said[-3000:]
    assert not CONTROL.search(told), repr(told[-3000:])
    for line in said.split("\n"):
        assert not CONTROL.search(line), repr(line[:300])
        assert len(line.replace(str(folder), "")) <= LONGEST_LINE, line[:300]
    assert _state(folder, written) == before, "something else was written"
    return said, told


def _state(folder: Path, left_out: tuple[Path, ...]) -> dict[str, str]:
    """The kind and content of everything in a folder, but for some of it."""
    found = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if Path(parent, name) not in left_out]
        for name in folders + files:
            path = Path(parent, name)
            if path in left_out:
                continue
            kind = path.lstat().st_mode
            told = str(path.readlink()) if stat.S_ISLNK(kind) else ""
            if stat.S_ISREG(kind):
                told = hashlib.sha1(path.read_bytes()).hexdigest()
            found[str(path)] = f"{stat.S_IFMT(kind)} {told}"
    return found


class Marker:
    """Unpickled, it makes a file: what reads it has run what a stranger wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)
