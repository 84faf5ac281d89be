# make demo, make test: each alone does all the set-up in .venv. See README.md.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test check screens engines app format docs clean

demo: .venv/train
	rm -rf demo
	$(BIN)/zeronine train dense-128-256-512 --data optdigits --epochs 20 --out demo/run
	@echo "Now the shipped model reads the pictures in examples/:"
	$(BIN)/zeronine predict examples
	@echo "And the numbers on a page of a notebook:"
	$(BIN)/zeronine read docs/read/scores.jpg

test: check
	$(BIN)/python -m pytest

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

screens: .venv/dev
	$(BIN)/python -m pytest -m screen

engines: .venv/engines
	$(BIN)/python tests/engines.py

app: .venv/dev
	$(BIN)/python tests/app.py dist

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The stamps: what is installed is what pyproject.toml and constraints.txt say now.
.venv/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Zeronine needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	touch $@

.venv/train: .venv/python pyproject.toml constraints.txt
	$(BIN)/pip install -q -c constraints.txt -e '.[train]'
	touch $@

.venv/dev: .venv/python pyproject.toml constraints.txt
	$(BIN)/pip install -q -c constraints.txt -e '.[train,dev]'
	touch $@

.venv/engines: .venv/dev
	$(BIN)/pip install -q -c constraints.txt -e '.[train,tensorflow,jax]'
	touch $@

docs: .venv/dev
	$(BIN)/python -m typer zeronine.cli utils docs --name zeronine --output docs/cli.md

clean:
	rm -rf .venv build dist demo .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
