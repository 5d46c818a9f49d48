"""Models and losses on JAX: their own tests once more, in a process that has that backend."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Deep networks, which JAX builds one compiled operation at a time, and what starts further processes: minutes for what
# the others show as well.
LEFT_OUT = "not EfficientNet and not keras_applications and not stock_keras and not fresh_process and not learns"


def test_models_and_losses_pass_their_tests_on_jax():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", LEFT_OUT,
         "tests/test_losses.py", "tests/loss_formulas", "tests/models"],
        cwd=ROOT, env={**environment, "KERAS_BACKEND": "jax"}, capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout[-5000:]
