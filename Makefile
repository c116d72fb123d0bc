.PHONY: sandbox trials test matrix validate fuzz bench lint setup notebooks clean
PYTHON ?= python3
BIN := .venv/bin

trials: .venv/.run  ## set up, then run ten graded trials, or TRIALS=3
	$(BIN)/python -m grader.run_trials $(addprefix --trials ,$(TRIALS))

test: .venv/.dev  ## set up, then run the tests
	$(BIN)/python -m pytest -n 3 -m "not matrix"

matrix: .venv/.dev  ## every bug, repair and near miss through the whole grader
	$(BIN)/python -m pytest -n 3 --maxschedchunk 1 -m matrix

validate: .venv/.run  ## the whole proof of both graders: hours on two cores
	status=0; for task in transits tinylm; do $(BIN)/python -m grader.validate --task $$task || status=1; done; exit $$status

lint: .venv/.dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

fuzz: .venv/.fuzz  ## a hundred thousand inputs for each parser of a submission
	$(BIN)/python -m tests.fuzz notebook -runs=100000 -max_len=4000 -timeout=20
	$(BIN)/python -m tests.fuzz report -runs=100000 -max_len=4000 -timeout=20

bench: .venv/.bench  ## what kernels cost, against bounds
	$(BIN)/python -m kernel_tool.bench

setup: .venv/.dev

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Silent Bugs needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv

# Kernels are confined best by bubblewrap, a system package: root gets it here, others are told.
sandbox:
	@command -v bwrap >/dev/null || { test "$$(id -u)" = 0 && { apt-get update -qq; apt-get install -y -qq bubblewrap; } >/dev/null 2>&1; } || echo "bubblewrap is not installed; after the set-up, '$(BIN)/python -m kernel_tool.doctor' says what that means"

.venv/.run: .venv/bin/python pyproject.toml | sandbox
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/.dev: .venv/bin/python pyproject.toml | sandbox
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ .venv/.run

.venv/.bench: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	touch $@ .venv/.run

.venv/.fuzz: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,fuzz]'
	touch $@ .venv/.dev .venv/.run

clean:
	rm -rf .venv runs bench

notebooks: .venv/.run  ## build the committed notebook and its data again
	$(BIN)/python -m task_spec.build --task transits --out notebooks/transits
	$(BIN)/python -m task_spec.build --task tinylm --out notebooks/tinylm
