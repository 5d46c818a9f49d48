"""A process whose memory is watched, its children's included: on Linux, from /proc."""

import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INTERVAL, FIRST_INTERVAL = 0.2, 0.01  # seconds between looks, and between those of the first second


@dataclass
class Peak:
    """Bytes at most.

    `main` is the anonymous memory (RssAnon) of the process alone, `anonymous` that of all together, `resident` what all
    have in memory (VmRSS), pages of files that they read included, which the system takes back when it needs room.
    """

    main: int = 0
    anonymous: int = 0
    resident: int = 0


class Watched:
    """A script of this toolkit that runs, and a thread that looks at its memory. As a context it ends with the block.

    Attributes:
        peak: so far.
        process: the `subprocess.Popen`.

    Args:
        arguments: of Python: the script, or `-c` and code, and its options.
    """

    def __init__(self, arguments: list[Any]) -> None:
        self.peak = Peak()
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=Path(__file__).parents[1],
            stdout=self._said,
            stderr=subprocess.STDOUT,
        )
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        self._thread.join()
        self._said.close()

    def wait(self) -> None:
        """Wait until it is done.

        Raises:
            RuntimeError: it failed; with what it said.
        """
        if self.process.wait():
            self._said.seek(0)
            raise RuntimeError(self._said.read())

    def _watch(self) -> None:
        start = time.monotonic()
        while self.process.poll() is None:
            own, *others = map(_memory, _family(self.process.pid))
            self.peak.main = max(self.peak.main, own[0])
            self.peak.anonymous = max(self.peak.anonymous, own[0] + sum(each[0] for each in others))
            self.peak.resident = max(self.peak.resident, own[1] + sum(each[1] for each in others))
            time.sleep(FIRST_INTERVAL if time.monotonic() - start < 1 else INTERVAL)


def _family(process: int) -> list[int]:
    """The numbers of a process and all below it."""
    found = [process]
    try:
        for thread in Path(f"/proc/{process}/task").iterdir():
            for child in (thread / "children").read_text().split():
                found += _family(int(child))
    except OSError:  # it ended meanwhile
        pass
    return found


def _memory(process: int) -> tuple[int, int]:
    """RssAnon and VmRSS, bytes; 0 of a process that ended meanwhile."""
    try:
        told = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    except OSError:
        return 0, 0
    return tuple(1024 * int(told.get(name, "0").split()[0]) for name in ("RssAnon", "VmRSS"))
