"""What the tree's own code never does with files of others, and how large the corpus is."""

import ast
import functools
from pathlib import Path

import bad_csv_cases
import cache_cases
import csv_cases
import image_cases
import model_cases
import name_cases
import place_cases
import run_cases

ROOT = Path(__file__).parents[2]
LEAST = 200  # cases
RUN_WHAT_THEY_READ = {
    "pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "yaml", "joblib.load", "torch.load",
}  # fmt: skip


@functools.cache
def nodes() -> list[tuple[str, ast.AST]]:
    """All of the code that users run, scripts, packages, benchmarks and experiments: files and what stands in them."""
    folders = [path for path in ROOT.iterdir() if path.is_dir() and path.name != "tests" and path.name[0] != "."]
    files = [*ROOT.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]
    return [(path.name, node) for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]


def calls(name: str) -> list[tuple[str, ast.Call]]:
    """Where something of this name is called."""
    return [
        (f"{file}, line {node.lineno}", node)
        for file, node in nodes()
        if isinstance(node, ast.Call) and name in (getattr(node.func, "id", ""), getattr(node.func, "attr", ""))
    ]


def keyword(call: ast.Call, name: str) -> object:
    return next((ast.literal_eval(each.value) for each in call.keywords if each.arg == name), None)


def test_the_corpus_is_large():
    modules = (bad_csv_cases, cache_cases, csv_cases, image_cases, model_cases, name_cases, place_cases, run_cases)
    assert all(len(module.CASES) > 10 for module in modules)
    assert sum(len(module.CASES) for module in modules) >= LEAST


def test_arrays_are_read_without_pickled_objects():
    found = [(place, call) for place, call in calls("load") if ast.unparse(call.func) in ("np.load", "numpy.load")]
    assert found
    assert [place for place, call in found if keyword(call, "allow_pickle") is not False] == []


def test_models_are_read_in_safe_mode():
    found = [
        (place, call) for place, call in calls("load_model") if ast.unparse(call.func) == "keras.models.load_model"
    ]
    assert found
    assert [place for place, call in found if keyword(call, "safe_mode") is not True] == []
    assert calls("enable_unsafe_deserialization") == []


def test_nothing_is_imported_that_runs_what_it_reads():
    imported = set()
    for file, node in nodes():
        if isinstance(node, ast.Import | ast.ImportFrom):
            above = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            imported |= {(file, f"{above}{each.name}") for each in node.names}
    assert len(imported) > 100
    assert [each for each in imported if {each[1], each[1].partition(".")[0]} & RUN_WHAT_THEY_READ] == []
    assert [place for place, call in calls("load") if ast.unparse(call.func) in ("torch.load", "joblib.load")] == []
    for name in ("eval", "exec", "system", "unsafe_load"):
        assert [place for place, call in calls(name) if ast.unparse(call.func) in (name, f"os.{name}")] == []
    assert [place for place, call in calls("run") if keyword(call, "shell")] == []
