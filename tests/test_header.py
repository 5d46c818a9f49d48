"""The header: every value is held against its annotation, from the file and from the shell."""

import dataclasses
import functools
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

import header
from common.errors import InputError
from header import Fraction, NonNegativeFloat, OpenFraction, PositiveFloat, PositiveInt, Seed

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path.name for path in ROOT.glob("*.py") if "header.parse(" in path.read_text())


@dataclass(frozen=True)
class Config:
    image_dir: Path = Path("images")  # where the images are
    epochs: PositiveInt = 3  # passes
    share: Fraction = 0.5  # of the rows
    inner: OpenFraction = 0.5  # ends left out
    rate: PositiveFloat = 0.1  # of learning
    loss: Literal["bce", "focal"] = "bce"  # which one
    weights: tuple[NonNegativeFloat, ...] = ()  # a number a class
    classes_file: Path | None = None  # names
    overwrite: bool = False  # replace
    seed: Seed = 0  # of what is drawn


def test_a_log_file_shows_each_line_as_it_comes(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    header.parse(Config, "Doc.", [])
    assert sys.stdout.line_buffering


def test_shell_values_replace_the_header_in_both_spellings():
    arguments = ["--image_dir", "a b", "--classes-file", "names.txt", "--weights", "1", "2.5", "--overwrite"]
    config = header.parse(Config, "Doc.", arguments)
    assert config == Config(Path("a b"), classes_file=Path("names.txt"), weights=(1.0, 2.5), overwrite=True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("epochs", 1.5),
        ("epochs", True),
        ("epochs", "3"),
        ("share", 1.01),
        ("share", float("nan")),
        ("inner", 1.0),
        ("rate", 0.0),
        ("rate", float("inf")),
        ("loss", "bcee"),
        ("weights", (1.0, -1.0)),
        ("weights", [1.0]),
        ("weights", 1.0),
        ("image_dir", "images"),
        ("image_dir", Path("a\0b")),
        ("classes_file", "names.txt"),
        ("overwrite", 1),
        ("seed", -1),
        ("seed", 2**32),
    ],
)
def test_a_wrong_header_value_is_refused_by_name(field, value):
    with pytest.raises(InputError, match=rf"^{field} = "):
        header.check(dataclasses.replace(Config(), **{field: value}), "the header")


@pytest.mark.parametrize(
    ("field", "value"),
    [("share", 0), ("share", 1), ("rate", 1), ("weights", ()), ("classes_file", None), ("seed", 2**32 - 1)],
)
def test_values_at_the_bounds_pass(field, value):
    header.check(dataclasses.replace(Config(), **{field: value}), "the header")


def test_all_wrong_fields_are_named_at_once():
    with pytest.raises(InputError) as caught:
        header.check(Config(epochs=0, loss="x"), "the header")
    assert "epochs" in str(caught.value)
    assert "loss = 'x' (the header): must be one of bce, focal" in str(caught.value)


@pytest.mark.parametrize("script", ["preprocess.py", "train.py"])
def test_a_seed_that_the_generators_do_not_take_is_refused_with_its_bounds(script, shell):
    refused = shell(script, "--seed", 2**32, fails=True)
    assert refused.startswith("error: seed = 4294967296 (the command line): must be between 0 and 4294967295, ")


@pytest.mark.parametrize(
    "arguments", [["--epoch", "3"], ["--epochs", "x"], ["--epochs", "0"], ["--loss", "bc"], ["stray"]]
)
def test_a_wrong_shell_value_is_refused(arguments):
    with pytest.raises((SystemExit, InputError)) as caught:
        header.parse(Config, "Doc.", arguments)
    assert getattr(caught.value, "code", 1) != 0


def test_the_record_is_json_and_tells_the_versions():
    record = json.loads(json.dumps(header.record(Config(weights=(1.0,)))))
    assert record["config"]["image_dir"] == "images"
    assert record["config"]["weights"] == [1.0]
    assert record["versions"]["keras"]
    assert record["seed"] == 0


@functools.cache
def help_of(script: str) -> tuple[str, set[str]]:
    """What --help prints, and the packages that were imported for it."""
    command = [sys.executable, "-X", "importtime", script, "--help"]
    environment = {**os.environ, "COLUMNS": "200"}
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
    modules = [line.rpartition("|")[2].strip() for line in answer.stderr.splitlines()]
    return answer.stdout, {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_waits_for_nothing_large(script):
    _, imported = help_of(script)
    assert {"header", "tyro"} <= imported
    large = {"keras", "tensorflow", "jax", "torch", "numpy", "scipy", "pandas", "sklearn", "cv2", "PIL", "tifffile",
             "imagecodecs", "matplotlib", "joblib", "jinja2", "rich"}  # fmt: skip
    assert imported & large == set()


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_field_of_every_script_is_explained_in_its_help(script):
    printed, _ = help_of(script)
    source = (ROOT / script).read_text()
    body = source.split("class Config:", 1)[1].split("\n\n", 1)[0]
    fields = [line for line in body.splitlines() if ":" in line.split("#")[0]]
    assert fields
    for line in fields:
        name, comment = line.split(":")[0].strip(), line.partition("  # ")[2]
        assert comment, f"{script}: {name} has no comment"
        assert "--" + name.replace("_", "-") in printed


def edited(tmp_path: Path, old: str, new: str) -> subprocess.CompletedProcess:
    """A small script whose header a user edited, run from the shell."""
    source = (
        "from dataclasses import dataclass\nimport header\n@dataclass(frozen=True)\nclass Config:\n"
        "    epochs: header.PositiveInt = 3  # passes\n\n"
        "def main(config):\n    print(config.epochs)\n\nmain(header.parse(Config, 'Doc.'))\n"
    )
    (tmp_path / "script.py").write_text(source.replace(old, new))
    environment = {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("= 3", "= 0", "epochs = 0 (the header): must be 1 or more"),
        ("= 3", "= '3'", "epochs = '3' (the header): must be a whole number"),
        ("    epochs:", "    epoch:", "the header has no field epochs"),
        ("epochs: header.PositiveInt = 3", "epochs = 3", "epochs (the header): it has lost its type"),
    ],
)
def test_an_edited_header_is_refused_by_name_without_a_traceback(tmp_path, old, new, message):
    assert edited(tmp_path, "nothing", "").stdout == "3\n"
    answer = edited(tmp_path, old, new)
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"error: {message}")
    assert "Traceback" not in answer.stderr


def in_a_script(body: str) -> subprocess.Popen:
    """A script with an empty header that does so; its output is a pipe."""
    text = f"import header, sys\nfrom dataclasses import dataclass\n@dataclass(frozen=True)\nclass Config: pass\n{body}"
    return subprocess.Popen([sys.executable, "-c", text], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_who_stops_reading_gets_no_error():
    script = in_a_script("header.parse(Config, '', [])\nfor _ in range(100_000): print('a line')")
    assert script.stdout.readline() == b"a line\n"
    script.stdout.close()
    assert script.stderr.read() == b""
    script.wait()
    script.stderr.close()


def test_a_package_that_is_missing_is_one_line():
    printed = in_a_script("sys.modules['tyro'] = None\nheader.parse(Config, '', [])").communicate()[1].decode()
    assert printed.startswith("error: the package tyro is missing: activate the environment")
    assert printed.count("\n") == 1
    assert "Traceback" in in_a_script("header.parse(Config, '', [])\nimport data.nothing").communicate()[1].decode()
