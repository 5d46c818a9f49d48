"""Every command of the README and of docs/ is run, with small sizes and few epochs, in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)\)")
# What a command is given so that it ends soon; the command itself stays as it is printed.
SMALL = {"DEMO_COUNT": "60", "DEMO_SIZE": "32", "DEMO_EPOCHS": "1", "SIZE": "32", "EPOCHS": "1", "COLUMNS": "120"}
INSTEAD = {
    # The tests would run themselves.
    "make test": "make --dry-run test",
    # It installs, and then runs demo.sh, which is run by its own name.
    "make demo": "make --dry-run demo",
    # Nothing is installed over what runs the tests.
    "python3 -m venv .venv": "python3 -m venv --without-pip another",
    ".venv/bin/pip install -r requirements.txt": "python -m pip install --dry-run --quiet -r requirements.txt",
    # One fold stands for five.
    "for k in 0 1 2 3 4; do python train.py --cache_dir cache/folds-128 --run_dir runs/fold$k --fold $k; done": (
        "python train.py --cache_dir cache/folds-128 --run_dir runs/fold0 --fold 0"
    ),
    "source .venv/bin/activate": "source another/bin/activate && deactivate",
}


def commands(page: Path) -> list[str]:
    """The commands of a page's shell blocks, continued lines joined, comments left out."""
    lines = "".join(BLOCK.findall(page.read_text(encoding="utf-8"))).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def copied(folder: Path, made_set: Path) -> Path:
    """The project with a user's own images and labels in it."""
    own = {".git", ".venv", "cache", "runs", "demo"}
    shutil.copytree(ROOT, folder, ignore=lambda where, names: own.intersection(names) if Path(where) == ROOT else ())
    (folder / ".venv").symlink_to(sys.prefix)
    for name in ("images", "new_images"):
        shutil.copytree(made_set / "images", folder / name)
        (folder / name / "synthetic.json").unlink()
    for name in ("labels.csv", "classes.txt"):
        shutil.copy(made_set / name, folder)
    return folder


@pytest.fixture(scope="module")
def begun(tmp_path_factory, made_set) -> Path:
    """The project of a user who has come as far as the README's first run, where the other pages go on."""
    folder = copied(tmp_path_factory.mktemp("begun") / "project", made_set)
    for command in commands(PAGES[0]):
        if re.match(r"python (preprocess|train|thresholds)\.py .*(cells-128|runs/cells)$", command):
            run(command, folder)
    return folder


def run(command: str, folder: Path) -> None:
    command = INSTEAD.get(command, command)
    # Nothing is fetched.
    command = command.replace("--weights imagenet", "--weights none")
    if command.startswith("python train.py"):
        command += " --epochs 1"
    if command.startswith("python preprocess.py") and ("--size" not in command or command.endswith("--size 256")):
        command += " --size 48"  # of two sizes the last one counts
    if command.startswith("python evaluate.py"):
        command += " --overlays 0"  # demo.sh makes heat maps, which take Keras seconds to load
    environment = {**os.environ, **SMALL, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    answer = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)
    assert answer.returncode == 0, f"{command}\n{answer.stdout[-3000:]}\n{answer.stderr[-3000:]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page, request, monkeypatch, tmp_path, made_set):
    found = commands(page)
    first = page == PAGES[0]
    folder = (
        copied(tmp_path / "project", made_set) if first else request.getfixturevalue("begun") if found else tmp_path
    )
    if any("$CELL_DATA" in command for command in found):
        monkeypatch.setenv("CELL_DATA", str(request.getfixturevalue("cell_data")))
    assert found or page.name != "README.md"
    for command in found:
        run(command, folder)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page):
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_script_stands_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    scripts = [path.name for path in ROOT.glob("*.py") if "header.parse(" in path.read_text(encoding="utf-8")]
    assert [script for script in scripts if f"python {script}" not in text] == []
