.PHONY: trials test matrix lint setup notebooks clean
PYTHON ?= python3
BIN := .venv/bin

trials: .venv/.run  ## set up, then run ten graded trials
	$(BIN)/python -m grader.run_trials

test: .venv/.dev  ## set up, then run the tests
	$(BIN)/python -m pytest -n 2 -m "not matrix"

matrix: .venv/.dev  ## every bug, repair and near miss through the whole grader
	$(BIN)/python -m pytest -n 2 -m matrix

lint: .venv/.dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

setup: .venv/.dev

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Silent Bugs needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv

.venv/.run: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/.dev: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ .venv/.run

clean:
	rm -rf .venv runs

notebooks: .venv/.run  ## build the committed notebook and its data again
	$(BIN)/python -m task_spec.build --out notebooks/transits
