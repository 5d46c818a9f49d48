"""How many mutations of the product's code do the tests catch? python -m bench.mutations

Each mutation changes one place drawn at random in a copy of the project: it flips a comparison, changes a constant or
drops a line, in turn. Then the tests of that module and of scripts that use it run until one fails. A mutation that
survives shows a missing test, code that nothing needs, or an equivalent mutation, which cannot change behaviour.
"""

import ast
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import header
from header import NonNegativeInt, PositiveInt


@dataclass(frozen=True)
class Config:
    count: PositiveInt = 30  # mutations
    limit: PositiveInt = 90  # seconds of tests per mutation, after which there is no verdict
    results: Path = Path("mutations.jsonl")  # a line per mutation; these are not run again
    seed: NonNegativeInt = 0  # of the places


ROOT = Path(__file__).parents[1]
NO_PRODUCT = ("tests/", "bench/", "experiments/")
FLIPPED = {ast.Lt: ast.GtE, ast.Gt: ast.LtE, ast.Eq: ast.NotEq, ast.In: ast.NotIn, ast.Is: ast.IsNot}
FLIPPED |= {new: old for old, new in FLIPPED.items()}
DROPPED = (ast.Assign, ast.AugAssign, ast.Return, ast.Raise, ast.Continue, ast.Break)
SCRIPTS = {  # script → how the names of the files begin that its tests cover
    "augment": ("data/augmentation",), "train": ("data/batches", "models", "loss", "training"),
    "thresholds": ("thresholding",), "evaluate": ("evaluation", "report", "run_folder"),
    "predict": ("report", "run_folder"), "preprocess": ("common", "data"),
}  # fmt: skip


def main(config: Config) -> None:
    import tempfile

    from report import tables

    files = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    lines = config.results.read_text(encoding="utf-8").splitlines() if config.results.exists() else []
    done = {(row["file"], row["start"]): row for row in map(json.loads, lines)}
    drawn, rows = draw(files, config.count, config.seed), []
    with tempfile.TemporaryDirectory() as folder:
        for name in files:
            (copied := Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes((ROOT / name).read_bytes())
        for number, each in enumerate(drawn, 1):
            row = done.get((each["file"], each["start"]))
            if not row:
                print(f"{number} of {len(drawn)}: {each['file']}, line {each['line']}", file=sys.stderr, flush=True)
                row = {**each, **verdict(Path(folder), each, config.limit)}
                with config.results.open("a", encoding="utf-8") as stream:
                    print(json.dumps(row, ensure_ascii=False), file=stream)
            rows.append(row)
    tables.show(
        f"{sum(row['result'] == 'caught' for row in rows)} of {len(rows)} mutations are caught",
        ["place", "was", "now", "result"],
        [[f"{row['file']}:{row['line']}", *(" ".join(row[key].split())[:50] for key in ("was", "now", "result"))]
         for row in rows],
    )  # fmt: skip


def draw(files: list[str], count: int, seed: int) -> list[dict[str, Any]]:
    """Mutations of each kind in turn, at places drawn at random."""
    import numpy as np

    kinds: dict[str, list[dict[str, Any]]] = {}
    for file in files:
        if file.endswith(".py") and not file.startswith(NO_PRODUCT):
            for kind, mutation in mutations(file, (ROOT / file).read_text(encoding="utf-8")):
                kinds.setdefault(kind, []).append(mutation)
    random = np.random.default_rng(seed)
    orders = [[every[index] for index in random.permutation(len(every))] for _, every in sorted(kinds.items())]
    return [each for turn in zip(*orders, strict=False) for each in turn][:count]


def mutations(file: str, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """All mutations of a file, each after its kind: bytes `start` to `end` become `now`."""
    lines, todo = text.encode().splitlines(keepends=True), [ast.parse(text)]
    while todo:
        node: Any = todo.pop()
        if isinstance(node, ast.JoinedStr):  # Python 3.11 does not know the places inside
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            flipped = ast.Compare(node.left, [FLIPPED[type(node.ops[0])]()], node.comparators)
            kind, new = "comparison", ast.unparse(flipped)
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
            kind, new = "constant", str(not node.value if isinstance(node.value, bool) else node.value + 1)
        elif isinstance(node, DROPPED) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
            kind, new = "line", "pass"
        else:
            continue
        start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
        end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
        was = text.encode()[start:end].decode()
        yield kind, {"file": file, "line": node.lineno, "start": start, "end": end, "was": was, "now": new}


def verdict(copy: Path, mutation: dict[str, Any], limit: int) -> dict[str, str]:
    """What the tests make of a mutation in a copy of the project, and the name of the test that catches it."""
    path, tests = copy / mutation["file"], tests_of(copy, mutation["file"])
    old = path.read_bytes()
    path.write_bytes(old[: mutation["start"]] + mutation["now"].encode() + old[mutation["end"] :])
    result, by = tested(copy, tests, limit)
    path.write_bytes(old)
    if by and tested(copy, [by], limit)[0] == "caught":
        result = "fails without it"  # this test says nothing of the mutation
    return {"result": result, "by": by}


def tests_of(root: Path, file: str) -> list[str]:
    """Test files of a module: its mirror and those next to it that import it, then those of scripts."""
    module = Path(file).with_suffix("")
    name, package = file.removesuffix(".py").removesuffix("/__init__").replace("/", "."), ".".join(module.parent.parts)
    imports = re.compile(rf"import {name}\b|from {name} import|from {package} import .*\b{module.name}\b")
    folder = root / "tests" / module.parent
    near = [each for each in sorted(folder.glob("test_*.py")) if package and imports.search(each.read_text("utf-8"))]
    scripts = [root / "tests" / f"test_{script}.py" for script, own in SCRIPTS.items() if file.startswith(own)]
    found = dict.fromkeys([folder / f"test_{module.name}.py", *near, *scripts])
    return [str(each.relative_to(root)) for each in found if each.is_file()]


def tested(copy: Path, tests: list[str], limit: int) -> tuple[str, str]:
    """The verdict of tests, and the name of the first that fails."""
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    options: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    with subprocess.Popen(command, cwd=copy, **options) as running:
        try:
            printed = running.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            return "no verdict in time", ""
    failed = re.search(r"^(?:FAILED|ERROR) (tests/.+?)(?: - |$)", printed, re.MULTILINE)
    return ("caught" if running.returncode else "survived"), failed[1] if failed else ""


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
