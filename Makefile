# quantedu. A bare `make` prints the targets.
#
#   PYTHON=python3.12    the Python that .venv is made with, when there is no .venv yet
#   PY=python            use this Python (a conda environment's, say) instead of .venv
#   LAB_FLAGS=...        more options for JupyterLab: --no-browser, --port=8899
#   PYTEST_FLAGS=...     more options for pytest: -x, -k bits

PYTHON = python3
START = notebooks/00_start_here.ipynb
JOBS = -n auto --maxprocesses=4 --dist loadfile

ifeq ($(origin PY),command line)
setup:
else
ifeq ($(OS),Windows_NT)
PY = .venv/Scripts/python.exe
else
PY = .venv/bin/python
endif
setup:
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
	  echo "There is no $(PYTHON) here. quantedu needs Python 3.11 or later:" >&2; \
	  echo "install it, or name the one you have: make PYTHON=/path/to/python3.12 lab" >&2; exit 1; }
	@"$(PYTHON)" tools/setup_venv.py
endif

# JupyterLab refuses to run as root unless told; whoever is root here is in a container.
ROOT_FLAG := $(shell [ "$$(id -u 2>/dev/null)" = 0 ] && echo --allow-root)

.DEFAULT_GOAL := help
.PHONY: help setup lab test test-kernel test-long test-browser notebooks pictures bench lint pins clean

help:
	@echo "make lab           install what is needed into .venv, open JupyterLab on the first notebook"
	@echo "make test          all tests: library, notebooks, browser"
	@echo "make test-long     what takes longer: every cell run twice, the wheel, 10,000 inputs a property"
	@echo "make test-kernel   the notebooks again, as an older processor multiplies (KERNEL=Prescott)"
	@echo "make test-browser  only the tests that drive JupyterLab in a Chromium"
	@echo "make notebooks     run all notebooks, store their outputs, clean them"
	@echo "make pictures      draw the chapters' openings, the map and the bit inspector again"
	@echo "make bench         speed, side by side with the peers"
	@echo "make lint          ruff (lint and format) and mypy"
	@echo "make pins          resolve the newest allowed versions into requirements.txt"
	@echo "make clean         remove .venv and all caches"

lab: setup
	@echo "quantedu: opening JupyterLab on $(START); stop it with Ctrl-C"
	@$(PY) -m jupyterlab --ip=127.0.0.1 --ServerApp.root_dir="$(CURDIR)" \
	  --LabApp.default_url=/lab/tree/$(START) $(ROOT_FLAG) $(LAB_FLAGS)

test: setup
	$(PY) -m pytest $(JOBS) $(PYTEST_FLAGS) -m "not browser and not long"
	$(PY) -m pytest -m browser $(PYTEST_FLAGS) tests/browser

test-long: setup
	$(PY) -m pytest $(JOBS) $(PYTEST_FLAGS) -m long
	$(PY) -m pytest $(JOBS) $(PYTEST_FLAGS) --hypothesis-profile=long tests/test_fuzz.py

# OpenBLAS adds in another order on every kind of processor; what a notebook prints must not change.
KERNEL = Haswell
test-kernel: setup
	OPENBLAS_CORETYPE=$(KERNEL) $(PY) -m pytest $(JOBS) $(PYTEST_FLAGS) notebooks

test-browser: setup
	$(PY) -m pytest -m browser $(PYTEST_FLAGS) tests/browser

notebooks: setup
	$(PY) tools/notebooks.py

pictures: setup
	$(PY) tools/pictures.py

bench: setup
	$(PY) benchmarks/formats.py
	$(PY) benchmarks/quantizers.py

lint: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

# One version of each package for every Python from 3.11 on and every system, and no addresses.
pins: setup
	uv=$$(command -v uv || command -v .venv/bin/uv || command -v .venv/Scripts/uv) && \
	"$$uv" pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --upgrade \
	  --no-annotate --no-header --extra course --extra test pyproject.toml -o requirements.txt

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
