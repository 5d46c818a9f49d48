"""Beginning a run or going on with it: what is there, whether it fits, and the messages when training stops."""

import dataclasses
import errno
import fcntl
import hashlib
import json
import os
import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import header
import run_folder
from common.errors import InputError, listing
from data.augmentation.augmented_set import DESCRIPTION, INDEX, augmented_dir
from data.cache.cache import Cache
from run_folder import LOCK
from training import signals
from training.checkpoint import Checkpoints
from training.config import Config

# What neither the weights nor history.csv depend on, and where things lie, as folders may be moved.
MAY_CHANGE = ("run_dir", "cache_dir", "overwrite", "resume", "workers", "checkpoint_minutes")
DESCRIBED = ("cache", "scaling", "shown_rates", "inputs", "resolved")  # what a run says of what it is trained on
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
FORBIDDEN = (errno.EACCES, errno.EPERM)
LONGEST = 40  # characters of a value that is shown


class Session:
    """A run that begins, goes on or is finished already. Made by `session`.

    Attributes:
        finished: whether nothing is left to do.
        state: the checkpoint to go on from; None to begin.
        threads: those that the run was begun with; 0 where it begins now.

    Args:
        config: the header of train.py.
    """

    def __init__(self, config: Config) -> None:
        self._config, self.lock, self.finished, self.state, self.threads = config, Lock(config.run_dir), False, None, 0

    def look(self) -> None:
        """See what is there.

        Raises:
            InputError: the folder holds a run and neither `resume` nor `overwrite` is given, or the run was begun with
                another header, or is being trained now.
        """
        config = self._config
        if config.resume and config.overwrite:
            raise InputError("resume and overwrite: one goes on with a run and the other replaces it; give one of them")
        self._stored = run_folder.unfinished_config(config.run_dir)
        self._replace = config.overwrite
        if self._stored is not None:
            self.lock.take()
        if self._stored is None or not config.resume:
            run_folder.check_free(config.run_dir, config.overwrite)
            return
        checkpoints = Checkpoints(config.run_dir)
        self.finished = bool(self._stored.get("finished"))
        if self.finished:
            checkpoints.clear()  # a kill may have left some
        else:
            self.state = checkpoints.newest()
            for text in checkpoints.damaged:
                print(f"Warning: {text}; the one before is used")
        if self.finished or self.state:
            self._check_config()
            self.threads = self._stored.get("threads", 0)
        else:
            print(f"{config.run_dir} has no checkpoint yet, so the run begins anew")
            self._replace = True

    def begin(self, made: dict[str, Any], start: run_folder.TrainedOn | None = None) -> None:
        """Make the folder of a run that begins, or hold what is there against what goes on.

        Args:
            made: what config.json is to say, `header.record` and what the run is trained on.
            start: what the weights were trained on that it starts from, None for none.

        Raises:
            InputError: the run goes on, and its cache or what else it is trained on is no longer the same.
        """
        directory = self._config.run_dir
        if self.state is None:
            run_folder.check_free(directory, self._replace)
            self.lock.take()
            run_folder.create_run(directory, made, self._replace)
            if start:
                run_folder.write_start(directory, start)
            return
        now = json.loads(json.dumps({name: made[name] for name in DESCRIBED}))
        changes = [text for name in DESCRIBED for text in _changes(self._stored.get(name), now[name], name)]
        if changes:
            raise InputError(listing(f"{directory} cannot go on, as what it was trained on is no longer the same:",
                                     [*changes, "give --overwrite to begin anew"]))  # fmt: skip
        for text in _changes(self._stored.get("versions"), made["versions"], "versions"):
            print(f"Warning: {text}; what follows may differ from a run that was never stopped")
        run_folder.resume_run(directory, {name: made[name] for name in ("created", "argv", "versions", "git_commit")})
        epoch, step = self.state.values["epoch"], self.state.values["step"]
        print(f"Going on with {directory} after epoch {epoch}" + (f" and {step:,} steps" if step else ""))

    def _check_config(self) -> None:
        then = {name: value for name, value in self._stored.get("config", {}).items() if name not in MAY_CHANGE}
        now = {name: value for name, value in header.record(self._config)["config"].items() if name not in MAY_CHANGE}
        if changes := _changes(then, json.loads(json.dumps(now)), ""):
            text = listing(f"{self._config.run_dir} was begun with other settings:", changes)
            raise InputError(f"{text}\ngive those that it was begun with, or --overwrite to begin anew")


@contextmanager
def session(config: Config) -> Iterator[Session]:
    """A `Session`, within which signals and a full disk end training with the command that goes on.

    Raises:
        InputError: as for `Session.look`, or the disk is full or cannot be written.
        Stopped: a signal came.
    """
    with signals.watched():
        found = Session(config)
        try:
            found.look()
            yield found
        except signals.Stopped as stopped:
            print(f"Stopped by {stopped.name}; to go on: {command(config)}")
            raise
        except OSError as error:
            if not (reason := _no_room(error, config.run_dir)):
                raise
            raise InputError(f"{reason}; the checkpoint before is whole; to go on: {command(config)}") from None
        finally:
            found.lock.release()


def command(config: Config) -> str:
    """The command that goes on with a run, ready for the shell."""
    words = ["python", "train.py"]
    defaults = type(config)()
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in ("overwrite", "resume") or value == getattr(defaults, field.name):
            continue
        if isinstance(value, bool):
            words.append(f"--{field.name}" if value else f"--no-{field.name}")
            continue
        values = value if isinstance(value, tuple) else [value]
        words += [f"--{field.name}", *(shlex.quote(str(item)) for item in values)]
    return " ".join([*words, "--resume"])


def inputs_of(config: Config, cache: Cache) -> dict[str, str]:
    """A digest of each thing beside the cache that decides what a run learns: augmented sets, and files by field."""
    found = {}
    for tag in config.augmented:
        folder = augmented_dir(cache.directory, tag)
        found[f"augmented {tag}"] = _digest(*(folder / name for name in (DESCRIPTION, INDEX)))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if (isinstance(value, Path) or field.name == "weights") and Path(value).is_file():
            found[f"{field.name} {value}"] = _digest(Path(value))
    return found


def _digest(*paths: Path) -> str:
    sha = hashlib.sha256()
    for path in paths:
        sha.update(path.read_bytes())
    return sha.hexdigest()


def _changes(then: object, now: object, name: str) -> list[str]:
    """What differs between two things from JSON, a line each: by key where they are dicts, as a whole otherwise."""
    if then == now:
        return []
    if isinstance(then, dict) and isinstance(now, dict):
        texts = []
        for key in {**then, **now}:
            if then.get(key) != now.get(key) or (key in then) != (key in now):
                texts.append(f"{f'{name}: ' if name else ''}{key} {_was(then, now, key)}")
        return texts
    return [f"{name}: changed"]


def _was(then: dict[str, Any], now: dict[str, Any], key: str) -> str:
    shown = [str(each[key]) if key in each else "not there" for each in (then, now)]
    if any(len(text) > LONGEST for text in shown):
        return "changed"
    return f"was {shown[0] or 'empty'}, is {shown[1] or 'empty'}"


def _no_room(error: OSError, run_dir: Path) -> str:
    """What keeps a run from being written, in a line; nothing for other errors.

    HDF5, in which Keras saves, tells its errors in their messages alone.
    """
    place = error.filename or run_dir
    number = error.errno or next((each for each in NO_ROOM if f"errno = {each}," in str(error)), 0)
    if number in NO_ROOM or (number in FORBIDDEN and Path(run_dir) in Path(place).parents):
        return f"{place} cannot be written: {os.strerror(number).lower()}"
    return ""


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
