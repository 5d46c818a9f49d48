"""Files that are never seen half-written: each is written aside and renamed."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common.errors import InputError


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it replaces `path` if the block ends well, else it is removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last because savers such as Keras, NumPy and Matplotlib choose their format by it.
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def partial_dir(directory: Path) -> Path:
    """Where a folder lies while it is built."""
    return Path(directory).with_name(f".{Path(directory).name}.partial")


def sha1_of(path: Path) -> str:
    """The sha1 of a file's bytes, in hex.

    Raises:
        OSError: it cannot be read, or is no file: a pipe waits for who writes into it, and some devices never end.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with LF line ends."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, content: object) -> None:
    """Write JSON; NaN and infinity are refused because other readers refuse them."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:  # noqa: ANN401  any JSON value
    """Read JSON, also with the byte order mark that some editors put before it.

    Raises:
        InputError: the file is missing or is not JSON.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        # Halves of letters and NaN could not be written again.
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
        return content
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error}); restore it or make it again") from None
