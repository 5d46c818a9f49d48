"""The bench of mutations on a project of one module."""

import subprocess

from bench import mutations

FILES = {
    "common/__init__.py": "",
    "common/sizes.py": "LIMIT = 3\n\n\ndef large(size):\n    return size > LIMIT  # µm²\n",
    "tests/common/test_sizes.py": "from common.sizes import large\n\n\ndef test_large():\n    assert large(9)\n",
}


def test_what_the_tests_let_pass_is_shown_and_not_run_again(tmp_path, monkeypatch, capsys):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    subprocess.run("git init -q && git add .", shell=True, cwd=tmp_path, check=True)
    monkeypatch.setattr(mutations, "ROOT", tmp_path)
    config = mutations.Config(count=3, results=tmp_path / "mutations.jsonl")
    mutations.main(config)
    first = capsys.readouterr().out
    assert "2 of 3 mutations are caught" in first
    (survivor,) = (line.split() for line in first.splitlines() if line.endswith("survived"))
    assert survivor == ["common/sizes.py:1", "3", "4", "survived"]
    written = config.results.read_bytes()
    mutations.main(config)
    assert config.results.read_bytes() == written and capsys.readouterr().out == first
