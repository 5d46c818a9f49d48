"""The structure of the code: no import goes up or in a circle, no package imports a script, and no module is long."""

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
LONGEST = 300  # lines of a module
# A module may import modules of its own package and of the rows above it. Two packages of one row do not import each
# other, except for scripts.
ORDER = (
    ("common",),
    ("header",),
    ("models", "loss_formulas"),
    ("losses",),
    ("data.tables",),
    ("data.images",),
    ("data.labels",),
    ("data.splits",),
    ("data.synthetic",),
    ("data.cache",),
    ("data.augmentation",),
    ("data.batches",),
    ("evaluation",),
    ("thresholding",),
    ("run_folder",),
    ("training", "report"),
    ("preprocess", "augment", "train", "thresholds", "evaluate", "predict", "export"),
)
SCRIPTS = ORDER[-1]
ROWS = {package: number for number, row in enumerate(ORDER) for package in row}


class Arrow(NamedTuple):
    """An import statement: the module that it stands in, the module that it names, and its file and line."""

    source: str
    target: str
    place: str


def modules(root: Path) -> dict[str, Path]:
    """Module → file, of all code but tests, benchmarks and experiments, whose folders are not packages."""
    packages = [path.parent for path in root.glob("*/__init__.py")]
    files = [*root.glob("*.py"), *(path for package in packages for path in package.rglob("*.py"))]
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def arrows(root: Path) -> list[Arrow]:
    """All imports between modules, also those in functions, but not those for type checkers alone."""
    files, found = modules(root), []
    for source, path in files.items():
        todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
        while todo:
            node = todo.pop()
            if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
                todo.extend(node.orelse)
                continue
            names = []
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{each.name}" for each in node.names]
            for name in names:
                # The last part may be a name inside the module.
                target = name if name in files else name.rpartition(".")[0]
                if target in files:
                    found.append(Arrow(source, target, f"{path.relative_to(root)}:{node.lineno}"))
            todo.extend(ast.iter_child_nodes(node))
    return sorted(set(found))


def package_of(module: str) -> str:
    """The package of `ORDER` that a module belongs to, empty if there is none."""
    parts = module.split(".")
    return next((name for end in (2, 1) if (name := ".".join(parts[:end])) in ROWS), "")


def circles(root: Path) -> list[str]:
    """A line per import that closes a circle: its place, and the modules around the circle."""
    after: dict[str, list[Arrow]] = {}
    for arrow in arrows(root):
        after.setdefault(arrow.source, []).append(arrow)
    found, done = [], set()

    def follow(module: str, way: list[str]) -> None:
        for arrow in after.get(module, []):
            if arrow.target in way:
                circle = [*way[way.index(arrow.target) :], arrow.target]
                found.append(f"{arrow.place}: {' → '.join(circle)}")
            elif arrow.target not in done:
                follow(arrow.target, [*way, arrow.target])
        done.add(module)

    for module in sorted(after):
        if module not in done:
            follow(module, [module])
    return found


def upward(root: Path) -> list[str]:
    """A line per import of another package that does not stand in a row above."""
    found = []
    for source, target, place in arrows(root):
        own, other = package_of(source), package_of(target)
        of_scripts = own in SCRIPTS and other in SCRIPTS
        if own and other and own != other and ROWS[other] >= ROWS[own] and not of_scripts:
            found.append(f"{place}: {source} imports {target}, but {other} does not stand above {own} in ORDER")
    return found


def imported_scripts(root: Path) -> list[str]:
    """A line per import of a script by anything but a script."""
    return [
        f"{place}: imports the script {target}"
        for source, target, place in arrows(root)
        if target in SCRIPTS and source not in SCRIPTS
    ]


def long_modules(root: Path) -> list[str]:
    """A line per module with more lines than `LONGEST`."""
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules(root).values()}
    return [
        f"{path.relative_to(root)}:{LONGEST + 1}: {length} lines, at most {LONGEST}"
        for path, length in sorted(lengths.items())
        if length > LONGEST
    ]


def without_a_place(root: Path) -> list[str]:
    """A line per module with code that belongs to no package of `ORDER`."""
    found = []
    for module, path in sorted(modules(root).items()):
        if not package_of(module) and len(ast.parse(path.read_text(encoding="utf-8")).body) > 1:
            found.append(f"{path.relative_to(root)}:1: has no place in ORDER")
    return found


@pytest.mark.parametrize("check", [circles, upward, imported_scripts, long_modules, without_a_place])
def test_the_code_keeps_its_structure(check):
    assert check(ROOT) == []


def test_every_package_of_the_order_is_there():
    assert [name for name in ROWS if name not in modules(ROOT)] == []
    assert len(arrows(ROOT)) > 300


@pytest.mark.parametrize(
    ("check", "file", "text", "expected"),
    [
        (circles, "common/b.py", "def f():\n    from common import a",
         "common/b.py:2: common.a → common.b → common.a"),
        (circles, "common/b.py", "if TYPE_CHECKING:\n    from common import a", ""),
        (upward, "data/tables/b.py", "from data.labels.c import f",
         "data/tables/b.py:1: data.tables.b imports data.labels.c, "
         "but data.labels does not stand above data.tables in ORDER"),
        (upward, "training/b.py", "\nimport report",
         "training/b.py:2: training.b imports report, but report does not stand above training in ORDER"),
        (upward, "data/labels/b.py", "from common import a", ""),
        (imported_scripts, "report/b.py", "import train", "report/b.py:1: imports the script train"),
        (imported_scripts, "evaluate.py", "import train", ""),
        (long_modules, "common/b.py", "\n" * 301, "common/b.py:301: 301 lines, at most 300"),
        (long_modules, "common/b.py", "\n" * 300, ""),
        (without_a_place, "data/b.py", "x = 1\ny = 2", "data/b.py:1: has no place in ORDER"),
    ],
)  # fmt: skip
def test_a_breach_is_named_with_file_and_line(tmp_path, check, file, text, expected):
    files = dict.fromkeys(("data/__init__.py", "report/__init__.py", "training/__init__.py", "train.py"), "")
    files |= {"common/__init__.py": "", "common/a.py": "from common.b import g", "data/labels/c.py": ""}
    for name, content in {**files, "common/b.py": "", file: text}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert check(tmp_path) == ([expected] if expected else [])
