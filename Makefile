# Everything happens in .venv, which the first target makes. Needs only Python 3.11 or newer and make.
#   make run PYTHON=python3.13     another Python
#   make run DEVICE=mlx            another device (cpu, mlx, cuda)

PYTHON ?= python3
VENV   ?= .venv
DEVICE ?= cpu
JOBS   ?= 2
EXAMPLES ?= 50
BIN    := $(VENV)/bin

# The extra that DEVICE needs: metal, gpu and mps are names for mlx, and cuda:1 needs what cuda needs.
EXTRA_cpu  := viz,threads
EXTRA_cuda := viz,threads,cuda
EXTRA_mlx  := viz,threads,mlx
EXTRA_metal := $(EXTRA_mlx)
EXTRA_gpu   := $(EXTRA_mlx)
EXTRA_mps   := $(EXTRA_mlx)
RUN_EXTRA := $(EXTRA_$(firstword $(subst :, ,$(DEVICE))))
ifneq ($(filter run,$(MAKECMDGOALS)),)
$(if $(RUN_EXTRA),,$(error DEVICE=$(DEVICE): expected cpu, cuda, cuda:N or mlx))
endif

.PHONY: help run test test-all gpu-test array-api lint bench docs wheel clean
.DEFAULT_GOAL := help
# One pip at a time in one environment.
.NOTPARALLEL:

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

# pip, not python: where Debian's python3-venv is missing, a half-made environment has a python and no pip.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("lucid needs Python 3.11 or newer, and $(PYTHON) is %d.%d: make PYTHON=python3.13 names another" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of extras: pip runs again only when setup.cfg has changed.
$(VENV)/.installed-%: setup.cfg pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

run: $(VENV)/.installed-$(RUN_EXTRA)  ## train on the handwritten digits; results in runs/digits/
	$(BIN)/python examples/digits.py --device $(DEVICE)

test: $(VENV)/.installed-test  ## run the tests (compares with torch where it is installed)
	$(BIN)/python -m pytest -n $(JOBS)

test-all: array-api $(VENV)/.installed-test  ## the slow tests too, and the array API suite in ARRAY_API_TESTS_DIR
	$(BIN)/python -m pytest -n $(JOBS) -m "slow or not slow"

# A checkout of data-apis/array-api-tests with its submodule array-api; what lucid is not meant to pass is in the exceptions.
array-api: $(VENV)/.installed-test  ## the public suite of the array API, from a checkout in ARRAY_API_TESTS_DIR
ifdef ARRAY_API_TESTS_DIR
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r '$(ARRAY_API_TESTS_DIR)/requirements.txt'
	cd '$(ARRAY_API_TESTS_DIR)' && ARRAY_API_TESTS_MODULE=lucid.ops ARRAY_API_TESTS_VERSION=2024.12 $(abspath $(BIN))/python -m pytest \
		-q -n $(JOBS) -p no:cacheprovider -W ignore --max-examples $(EXAMPLES) '--xfails-file=$(CURDIR)/tests/array_api_exceptions.txt' array_api_tests
else
	@echo "array API suite NOT run: set ARRAY_API_TESTS_DIR to a checkout of data-apis/array-api-tests"
endif

gpu-test: $(VENV)/.installed-test  ## run the tests and some times on a CUDA GPU, into docs/gpu.md; without one, say so
	@if [ -e /dev/nvidiactl ] || [ -e /dev/dxg ]; then $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,cuda]'; fi
	$(BIN)/python tools/gpu_report.py

lint: $(VENV)/.installed-dev  ## ruff, the format check, mypy
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

bench: $(VENV)/.installed-bench  ## measure lucid beside torch in one process
	$(BIN)/python -m benchmarks

docs: $(VENV)/.installed-docs $(VENV)/.installed-test  ## build the site (warnings are errors) and run its examples
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/python -m pytest -q --doctest-modules --doctest-ignore-import-errors lucid tests/test_pages.py
	@echo "docs: docs/_build/html/index.html"

wheel: $(VENV)/.installed-dev  ## build dist/*.whl
	rm -rf build dist
	$(BIN)/python -m build --wheel

clean:  ## remove everything that make made, .venv included
	rm -rf $(VENV) build dist docs/_build runs *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
