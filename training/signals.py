"""Ctrl-C and SIGTERM: training ends behind the running step and leaves a checkpoint; all else ends at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(SystemExit):
    """A signal ended the program; the exit status is the shell's for it, 130 for Ctrl-C and 143 for SIGTERM."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


class _Heard:
    """What signals have come, and whether they wait; signals are a process's, and so is this."""

    number = 0
    deferred = False


@contextmanager
def watched() -> Iterator[None]:
    """Turn both signals into `Stopped`, raised at once unless `deferred` says otherwise. Only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A shell tells background jobs to ignore Ctrl-C, and that stays so.
    before = {number: signal.getsignal(number) for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, _hear)
    try:
        yield
    finally:
        _Heard.number = 0
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def deferred() -> Iterator[None]:
    """Let signals wait until the block asks for them with `raise_if_asked`, or ends. A second Ctrl-C does not wait."""
    _Heard.deferred = True
    try:
        yield
    finally:
        _Heard.deferred = False
    raise_if_asked()


@contextmanager
def at_once() -> Iterator[None]:
    """Raise signals at once again, in a part of a `deferred` block that may end anywhere."""
    raise_if_asked()
    before, _Heard.deferred = _Heard.deferred, False
    try:
        yield
    finally:
        _Heard.deferred = before


def asked() -> bool:
    """Whether a signal waits."""
    return _Heard.number != 0


def raise_if_asked() -> None:
    """Raise `Stopped` if a signal waits."""
    if _Heard.number:
        raise Stopped(_Heard.number)


def _hear(number: int, frame: FrameType | None) -> None:
    impatient = number == _Heard.number == signal.SIGINT
    _Heard.number = number
    if impatient or not _Heard.deferred:
        raise Stopped(number)
