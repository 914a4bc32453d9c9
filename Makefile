# Two commands on a fresh machine do everything: `make demo` and `make test`. Both set up what they need, once.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SETUP  := $(VENV)/.set-up

.PHONY: help demo test test-long check bench fuzz format clean

help:
	@echo "make demo       set up, then the router at work on a real model"
	@echo "make test       set up, then all tests but the long ones"
	@echo "make test-long  the tests that take minutes"
	@echo "make check      style, types, import rules"
	@echo "make bench      cost per request beside nginx and HAProxy"

$(SETUP): pyproject.toml constraints.txt
	@echo "setting up $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "maitre needs Python 3.11 or newer; set PYTHON=" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(SETUP)
	@$(BIN)/python -m examples.demo

test: $(SETUP)
	$(BIN)/python -m pytest -m "not long" --cov --cov-report=term:skip-covered -q

test-long: $(SETUP)
	$(BIN)/python -m pytest -m long -q --timeout=900

check: $(SETUP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(SETUP)
	@$(BIN)/python -m bench --heads repeated
	@$(BIN)/python -m bench --heads fresh

format: $(SETUP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .demo *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
