"""The allocator's settings: freed memory stays with the process."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import resource, sys
import numpy as np
from training import memory
if sys.argv[1] == "keep":
    assert memory.keep_freed_memory()
def step():
    return np.ones(50_000_000, np.uint8).sum()
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(choice: str) -> int:
    command = [sys.executable, "-c", SCRIPT, choice]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(answer.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are glibc's")
def test_memory_that_was_freed_is_not_mapped_again():
    assert page_faults("keep") < page_faults("leave") / 10
