"""Contenders that cannot share a process, as TensorFlow and PyTorch cannot: each has its own and works when asked.

Those that are compared stay alive together and take their turns round by round; one that waits takes no core.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

# TensorFlow would take a whole GPU, where several contenders have to find room.
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


class Contender:
    """A process of a module of benches, which calls `serve`. As a context it ends with the block.

    Attributes:
        told: what it said of itself when it was ready.

    Args:
        module: such as bench.step_contenders.
        settings: what it is told, ready for JSON.
        environment: variables beside those of this process.

    Raises:
        RuntimeError: here or in `seconds`, it ended; with what it said.
    """

    def __init__(self, module: str, settings: dict[str, Any], environment: dict[str, str] | None = None) -> None:
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(settings)],
            cwd=Path(__file__).parents[1],
            env={**os.environ, **ENVIRONMENT, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        try:
            self.told: dict[str, Any] = self._answer()
        except BaseException:
            self._process.kill()
            self._end()
            raise

    def seconds(self, steps: int) -> float:
        """Seconds of so many steps."""
        with suppress(BrokenPipeError):  # what it said before it ended tells more
            print(steps, file=self._process.stdin, flush=True)
        return self._answer()

    def __enter__(self) -> "Contender":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        with suppress(BrokenPipeError):  # it has ended, and what it was asked last was not read
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._said.close()

    def _answer(self) -> Any:
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._process.wait()
        self._said.seek(0)
        raise RuntimeError(f"a contender ended with status {self._process.returncode}:\n{self._said.read()}")


def serve(make: Callable[[dict[str, Any]], tuple[Callable[[int], Any], dict[str, Any]]]) -> None:
    """Be the process of a `Contender`.

    Args:
        make: gives, for the settings, what takes a number of steps and returns when all are done, and what to tell.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    run, told = make(json.loads(sys.argv[1]))
    print(json.dumps(told), file=answers, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        run(int(line))
        print(json.dumps(time.perf_counter() - start), file=answers, flush=True)
