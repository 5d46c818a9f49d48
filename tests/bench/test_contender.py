"""A contender of a bench that ends before its time."""

import json
import os

import pytest

from bench.contender import Contender

READY = "import sys\nprint('{}', flush=True)\n"


def made(folder, code):
    """A contender that is ready and then runs `code`."""
    (folder / "ended.py").write_text(READY + code, encoding="utf-8")
    return Contender("ended", {}, {"PYTHONPATH": str(folder)})


@pytest.mark.parametrize("code", ["sys.exit('no room')", "sys.stdin.readline()\nsys.exit('no room')"])
def test_one_that_ends_says_why_when_it_is_asked(code, tmp_path):
    with pytest.raises(RuntimeError, match="status 1:\nno room"), made(tmp_path, code) as contender:
        if "stdin" not in code:
            contender._process.wait()
        contender.seconds(3)


def test_one_that_fails_at_its_start_leaves_no_process(tmp_path):
    code = "import os, time\nprint('process', os.getpid(), flush=True)\ntime.sleep(60)\n"
    (tmp_path / "ended.py").write_text(code, encoding="utf-8")
    with pytest.raises(json.JSONDecodeError) as raised:
        Contender("ended", {}, {"PYTHONPATH": str(tmp_path)})
    with pytest.raises(ProcessLookupError):
        os.kill(int(raised.value.doc.split()[1]), 0)
