"""A script's header: a dataclass that people edit, overridden from the shell, checked, saved with what it makes."""

import dataclasses
import datetime
import importlib.metadata
import math
import os
import platform
import subprocess
import sys
import types
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union

from common.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PACKAGES = (
    "keras", "tensorflow", "jax", "numpy", "pandas", "pillow", "tifffile", "imagecodecs", "opencv-python-headless",
    "scikit-learn",
)  # fmt: skip
ConfigType = TypeVar("ConfigType")


@dataclasses.dataclass(frozen=True)
class Bounds:
    """The values a number may take, as a field's `Annotated` alias."""

    lowest: float = -math.inf
    highest: float = math.inf
    open_ends: bool = False

    def hold(self, value: float) -> bool:
        if self.open_ends:
            return self.lowest < value < self.highest
        return self.lowest <= value <= self.highest

    def __str__(self) -> str:
        low, high = f"{self.lowest:.12g}", f"{self.highest:.12g}"
        if self.highest == math.inf:
            return f"above {low}" if self.open_ends else f"{low} or more"
        return f"between {low} and {high}, the ends " + ("left out" if self.open_ends else "included")


PositiveInt = Annotated[int, Bounds(1)]
NonNegativeInt = Annotated[int, Bounds(0)]
PositiveFloat = Annotated[float, Bounds(0, open_ends=True)]
NonNegativeFloat = Annotated[float, Bounds(0)]
Fraction = Annotated[float, Bounds(0, 1)]
OpenFraction = Annotated[float, Bounds(0, 1, open_ends=True)]
Seed = Annotated[int, Bounds(0, 2**32 - 1)]  # what NumPy's generators and Keras take


def parse(config_class: type[ConfigType], description: str | None, arguments: list[str] | None = None) -> ConfigType:
    """The header's values, overridden by the shell's, every one of them checked.

    From here on a user's mistake (`InputError`, `OSError`) ends the program with a clear message, not a traceback.

    Args:
        config_class: a frozen dataclass; the comment behind each field is its help text.
        description: the script's docstring.
        arguments: what to read instead of `sys.argv[1:]`.
    """
    sys.excepthook = _show_mistake
    import tyro

    # TensorFlow's own notes on its start are not for the users of a script.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # A log file shows lines as they come, also when something else buffers the pipe.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True, encoding="utf-8", errors="replace")
        sys.stderr.reconfigure(encoding="utf-8", errors="replace")
    check(config_class(), "the header")
    config = tyro.cli(config_class, description=description, args=arguments)
    check(config, "the command line")
    return config


def check(config: "DataclassInstance", place: str) -> None:
    """Hold every field against its annotation.

    Raises:
        InputError: names each field that lost its type, or whose value has another type, is out of bounds or is
            not among the choices.
    """
    hints = typing.get_type_hints(type(config), include_extras=True)
    loose = [name for name in vars(type(config)) if not name.startswith("_") and name not in hints]
    faults = [f"{name} ({place}): it has lost its type; write it as `name: type = value  # comment`" for name in loose]
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        reason = mismatch(value, hints[field.name])
        if reason:
            faults.append(f"{field.name} = {value!r} ({place}): {reason}")
    if faults:
        raise InputError("\n".join(faults))


def mismatch(value: object, annotation: object) -> str | None:
    """Why the value does not fit the annotation, or None when it does."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        reason = mismatch(value, parts[0])
        if reason or value is None:
            return reason
        broken = [bounds for bounds in parts[1:] if isinstance(bounds, Bounds) and not bounds.hold(value)]
        return f"must be {broken[0]}" if broken else None
    if origin is Literal:
        return None if value in parts else "must be one of " + ", ".join(map(str, parts))
    if origin in (Union, types.UnionType):
        reasons = [mismatch(value, part) for part in parts]
        return None if None in reasons else " or ".join(dict.fromkeys(filter(None, reasons)))
    if origin is tuple:
        if not isinstance(value, tuple):
            return "must be a tuple, in round brackets"
        return next((reason for item in value if (reason := mismatch(item, parts[0]))), None)
    return _plain_mismatch(value, annotation)


def _plain_mismatch(value: object, annotation: object) -> str | None:
    if annotation is float:
        good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return None if good else "must be a finite number"
    if annotation is int:
        return None if isinstance(value, int) and not isinstance(value, bool) else "must be a whole number"
    if annotation is Path:
        return None if isinstance(value, Path) and "\0" not in str(value) else 'must be a path, written Path("…")'
    if annotation in (None, type(None)):
        return None if value is None else "must be None"
    return None if isinstance(value, annotation) else f"must be a {annotation.__name__}"


def record(config: "DataclassInstance") -> dict[str, Any]:
    """What made a result: config, command line, versions, commit, seed and time, ready for JSON."""
    return {
        "config": {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config)},
        "argv": sys.argv,
        "versions": _versions(),
        "git_commit": _git_commit(),
        "seed": getattr(config, "seed", None),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def next_command(script: str, **options: object) -> None:
    """Print the command that comes next, ready to be copied into the shell."""
    import shlex

    words = ["python", script]
    for name, value in options.items():
        values = value if isinstance(value, list | tuple) else [value]
        words += [f"--{name}", *(shlex.quote(str(item)) for item in values)]
    print("Next: " + " ".join(words))


def changed_options(config: "DataclassInstance") -> dict[str, Any]:
    """The options that differ from the header's defaults, without the switches, for `next_command`."""
    defaults = vars(type(config)())
    return {name: value for name, value in vars(config).items() if value != defaults[name] and value is not True}


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _git_commit() -> str | None:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None


def _show_mistake(kind: type[BaseException], error: BaseException, trace: types.TracebackType | None) -> None:
    if isinstance(error, InputError):
        print(f"error: {error}", file=sys.stderr)
    elif isinstance(error, BrokenPipeError):
        # Who read what is printed has seen enough, as head has; what Python still holds goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif isinstance(error, ModuleNotFoundError) and error.name and _is_package(error.name):
        print(
            f"error: the package {error.name} is missing: activate the environment (source .venv/bin/activate), or "
            "pip install -r requirements.txt",
            file=sys.stderr,
        )
    elif isinstance(error, OSError) and error.strerror:
        place = f": {error.filename}" if error.filename else ""
        print(f"error: {error.strerror}{place}", file=sys.stderr)
    elif (
        isinstance(error, AttributeError)
        and dataclasses.is_dataclass(error.obj)
        and hasattr(sys.modules["__main__"], "Config")
    ):
        print(f"error: the header has no field {error.name}; put it back under that name", file=sys.stderr)
    elif isinstance(error, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def _is_package(module: str) -> bool:
    """Whether a module is not one of this toolkit."""
    first = Path(__file__).with_name(module.partition(".")[0])
    return not (first.is_dir() or first.with_suffix(".py").exists())
