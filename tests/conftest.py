"""A made set taken through all scripts once, for every test that needs a cache or a run."""

import importlib
import io
import os
import re
import subprocess
import sys
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest

import header

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["COLUMNS"] = "160"
ROOT = Path(__file__).parents[1]
SLOWEST = (
    "test_readme.py", "test_distribution.py", "test_jax.py", "test_kill.py", "test_resume.py", "test_multi_scale.py",
    "test_scripts.py", "test_same_seed.py", "test_export.py", "test_cluster.py", "test_page_in_browser.py",
)  # fmt: skip


def pytest_configure(config):
    """Give each xdist worker a core of its own, which its scripts inherit: TensorFlow's threads then never wait for
    a core that another worker holds, which costs far more than they gain."""
    number = re.fullmatch(r"gw(\d+)", os.environ.get("PYTEST_XDIST_WORKER", ""))
    if number and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(number[1]) % len(cores)]})


def pytest_collection_modifyitems(items):
    """Minutes first and moments last, so that no worker ends with a long test alone."""
    items.sort(key=lambda item: SLOWEST.index(item.path.name) if item.path.name in SLOWEST else len(SLOWEST))


def shell(*arguments, fails: bool = False, cwd: Path = ROOT) -> str:
    """Run a script from the shell and return what it printed; a traceback is never right.

    Args:
        arguments: the script, or `-m` and a module, and its options.
        fails: whether the script must refuse; then what it printed on stderr is returned.
        cwd: where to run it.
    """
    command = [sys.executable, *map(str, arguments)]
    answer = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ})
    assert "Traceback" not in answer.stderr, answer.stderr
    assert (answer.returncode != 0) == fails, answer.stdout + answer.stderr
    return answer.stderr if fails else answer.stdout


@pytest.fixture(scope="session", name="shell")
def shell_fixture():
    return shell


@contextmanager
def _as_it_was():
    """A script sets how mistakes are shown; the tests' own must not be."""
    hook = sys.excepthook
    try:
        yield
    finally:
        sys.excepthook = hook


@pytest.fixture(autouse=True)
def precision_as_it_was():
    """Training sets Keras's precision for the whole process; what the next test builds must not have it."""
    yield
    if keras := sys.modules.get("keras"):
        keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def called():
    """As `shell`, in this process: without the seconds in which a script imports TensorFlow.

    Training takes the CNN in float32 where no other model or precision is asked for: it is fast, takes small images,
    and ends with the same figures on every processor.
    """
    from common.errors import InputError

    def call(script: str, *arguments, fails: bool = False) -> str:
        if script == "train.py":
            usual = {"--model": "cnn", "--precision": "float32"}
            arguments = (*(each for item in usual.items() if item[0] not in arguments for each in item), *arguments)
        module = importlib.import_module(Path(script).stem)
        printed = io.StringIO()
        with _as_it_was(), redirect_stdout(printed):
            try:
                module.main(header.parse(module.Config, module.__doc__, [str(each) for each in arguments]))
            except InputError as error:
                assert fails, error
                return f"error: {error}"
        assert not fails, printed.getvalue()
        return printed.getvalue()

    return call


@pytest.fixture(scope="session")
def cell_data() -> Path:
    """The folder of real images and label rows; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("CELL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data are not at {folder}; set CELL_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def made_set(tmp_path_factory) -> Path:
    """A folder with images/, labels.csv and classes.txt of 90 made images."""
    folder = tmp_path_factory.mktemp("made")
    shell("-m", "data.synthetic", "--image_dir", folder / "images", "--labels_csv", folder / "labels.csv",
          "--count", 90, "--size", 48, "--seed", 3)  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def made_cache(made_set, called) -> Path:
    """A cache of the made set at 32 × 32."""
    called("preprocess.py", "--image_dir", made_set / "images", "--labels_csv", made_set / "labels.csv",
           "--classes_file", made_set / "classes.txt", "--cache_dir", made_set / "cache", "--size", 32)  # fmt: skip
    return made_set / "cache"


@pytest.fixture(scope="session")
def made_run(made_cache, called) -> Path:
    """A finished run on the made cache, with thresholds and a report."""
    run = made_cache.parent / "run"
    called("train.py", "--cache_dir", made_cache, "--run_dir", run, "--epochs", 2, "--train_metrics_every", 2)
    called("thresholds.py", "--run_dirs", run)
    called("evaluate.py", "--run_dirs", run)
    return run
