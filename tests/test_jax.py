"""Models and losses on JAX: their own tests once more, in a process that has that backend."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RATES = "tests/training/test_optimizers.py::test_each_step_is_taken_at_its_own_rate"
FILES = ("tests/test_losses.py", "tests/loss_formulas", "tests/models/test_cnn.py", "tests/models/test_hierarchical.py",
         "tests/models/test_pyramid.py", f"{RATES}[one_cycle-adamw-3]", f"{RATES}[cosine-sgd-3]",
         "tests/models/test_gradcam.py::test_the_maps_are_those_of_the_paper[layer]")  # fmt: skip
# Deep networks, whose many operations JAX compiles one by one on a CPU, and long trainings: minutes for what the others
# show as well.
LEFT_OUT = "not residual and not backbone and not vgg16 and not shuffled and not stock_keras"


def test_models_and_losses_pass_their_tests_on_jax():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", LEFT_OUT, *FILES],
        cwd=ROOT, env={**environment, "KERAS_BACKEND": "jax"}, capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout[-5000:]
