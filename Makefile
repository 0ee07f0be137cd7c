# Everything a developer types. Each target installs what it needs into .venv.

PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8000
PARALLEL ?= --numprocesses 2 --dist worksteal
TOGETHER := $(PARALLEL) -m 'not alone and not apache and not terminal'
ALONE := -m 'alone and not apache and not terminal'

.PHONY: help install demo test check format lint types imports docs pictures bench bench-quick prove prove-quick clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: .venv/.installed  ## Make .venv with olearn in it

demo: .venv/.installed  ## Watch a service learn (Ctrl-C ends it)
	$(BIN)/olearn demo --port $(PORT)

test: .venv/.tested  ## Run every test against a real broker and a real database
	$(BIN)/python -m pytest $(TOGETHER)
	$(BIN)/python -m pytest $(ALONE)

check: .venv/.developed format lint types imports  ## What must pass before a commit
	rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest $(TOGETHER)
	$(BIN)/python -m coverage run -m pytest $(ALONE)
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report

format: .venv/.developed  ## Is the code formatted?
	$(BIN)/ruff format --check .

lint: .venv/.developed  ## Is it clean?
	$(BIN)/ruff check .

types: .venv/.developed  ## Do the types hold?
	$(BIN)/mypy

imports: .venv/.developed  ## Do imports go down the floors only?
	$(BIN)/lint-imports

docs: .venv/.tested  ## Run every command of the documentation
	$(BIN)/python -m pytest tests/docs

pictures: .venv/.developed  ## Draw the dashboard's pictures of the documentation
	$(BIN)/python -m tests.tui.pictures

bench: bench-quick  ## The same as bench-quick

bench-quick: .venv/.tested  ## Measure speed in about two minutes
	$(BIN)/python -m benchmarks.quick

prove: .venv/.tested  ## Prove every promise at full size and write the report (takes hours)
	$(BIN)/python -m tests.proof

prove-quick: .venv/.tested  ## The same at the size of every run, report in .cache
	$(BIN)/python -m tests.proof --quick --out .cache/reliability-report.md

clean:  ## Remove what was installed and built
	rm -rf .venv .cache dist build .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "olearn needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

.venv/.installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/.tested: .venv/.installed
	$(BIN)/python -m pip install --quiet --group test
	@touch $@

.venv/.developed: .venv/.tested
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@
