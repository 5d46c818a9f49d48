PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Without bytecode every script compiles TensorFlow and Keras anew, which takes longer than a small training.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test test-other lint bench soak audit clean

setup: $(VENV)/installed

# --no-compile: byte-compiling all of TensorFlow takes longer than compiling what is imported.
$(VENV)/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) and "Python 3.11 to 3.13 is needed: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -r requirements-dev.txt
	touch $@

# A made set of images through the whole pipeline, into demo/.
demo: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" bash demo.sh

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

# What depends most on the Python, on another one and in an environment of its own: make test-other PYTHON=python3.13
OTHER = .venv-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
OTHER_TESTS := tests/data/cache/test_folder_writer.py tests/common/test_parallel.py tests/data/cache/test_cache.py \
	tests/data/cache/test_bucket_cache.py tests/test_preprocess.py tests/training/test_checkpoint.py \
	'tests/test_augment.py::test_each_method_makes_a_set[balance]' \
	tests/test_scripts.py::test_the_pipeline_runs_in_sequence \
	tests/test_export.py::test_onnx_runtime_gives_the_models_probabilities

test-other: requirements.txt requirements-dev.txt
	test -x $(OTHER)/bin/python || $(PYTHON) -m venv $(OTHER)
	$(OTHER)/bin/python -m pip install --quiet --no-compile --disable-pip-version-check -r requirements.txt \
	    $$(grep -E '^(pytest|onnxruntime)==' requirements-dev.txt)
	$(OTHER)/bin/python -m pytest $(OTHER_TESTS)

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Every bench in turn, as bench/__main__.py lists them: about an hour and a half on 2 cores, and 24 GB of the disk.
# Real data lie in CELL_DATA, or in ../shared/data.
bench: setup
	$(BIN)/python -m bench

# Every network of keras.applications against Keras's own; 500 kills of preprocess.py and augment.py and 50 of train.py, at places drawn anew each day; where Atheris is installed, ten
# minutes of made tables of labels; then an hour of training.
soak: $(VENV)/installed-dev
	ALL_NETWORKS=1 $(BIN)/python -m pytest tests/models/test_backbones.py
	KILLS=500 KILL_SEED=$$(date +%j) $(BIN)/python -m pytest tests/test_kill.py
	PYTHONPATH=. $(BIN)/python tests/fed/soak_csv.py 600
	$(BIN)/python -m bench.soak --minutes 60

# Known faults of all that is installed. Its tool has many packages of its own, so it is kept out of the environment.
audit: $(VENV)/installed-dev
	@tool=$$(mktemp -d) && trap 'rm -rf "$$tool"' EXIT && $(BIN)/python -m venv $$tool && \
	$$tool/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1 && \
	if $$tool/bin/pip-audit --vulnerability-service osv --progress-spinner off \
	    --path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" >$$tool/said 2>&1; \
	then cat $$tool/said; \
	elif grep -q ConnectionError $$tool/said; then echo "Skipped: the list of known faults cannot be reached"; \
	else cat $$tool/said; exit 1; fi

clean:
	rm -rf $(VENV) .venv-3.*
	test ! -f demo/.made-by-demo || rm -rf demo
