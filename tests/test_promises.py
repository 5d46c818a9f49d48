"""Each promise of the README names a test, and the test is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SECTION = re.compile(r"^## What it promises\n(.*?)^## ", re.MULTILINE | re.DOTALL)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def promises() -> list[tuple[str, str]]:
    """The rows of the table: a promise, and what its other cell says."""
    lines = SECTION.search((ROOT / "README.md").read_text(encoding="utf-8"))[1].splitlines()
    rows = [line.strip("| ").rsplit(" | ", 1) for line in lines if line.startswith("| ")]
    return [(promise, held) for promise, held in rows[1:]]


def test_every_promise_names_a_test():
    assert len(promises()) > 15
    assert [promise for promise, held in promises() if not TEST.search(held)] == []


@pytest.mark.parametrize(("file", "function"), sorted({each for _, held in promises() for each in TEST.findall(held)}))
def test_the_test_that_is_named_is_there(file, function):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert function in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
    assert function.startswith("test_")
