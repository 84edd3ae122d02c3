# Every target sets up .venv by itself.
# make demo    teach the demo brand by three methods and print the table
# make test    every test
# make check   lint, types and the tests that are not slow, side by side: before every commit
# make lint    ruff: rules and format, nothing is written
# make format  let ruff format everything
# make types   mypy
# make rehearsal  every form of a base, method and export, back again: some ten minutes
# make docs    build the documentation as a site into out/docs
# make clean   remove what these made; your own runs/ stay

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(shell cat constraints.txt pyproject.toml | cksum | cut -d' ' -f1)
# Two workers of one thread each beat one worker of two threads by a third. A file's tests stay in one worker, so that
# what they share is made once.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: setup demo test check lint format types quick-tests rehearsal docs clean

setup: $(READY)

$(READY): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, found: $$($(PYTHON) --version)"; exit 2; }
	@echo "setting up $(VENV): a few minutes, once"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup
	$(BIN)/brandsmith demo --out out/demo

test: setup
	$(PYTEST)

check: setup
	@$(MAKE) --no-print-directory --jobs 3 --output-sync=target lint types quick-tests

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: setup
	$(BIN)/ruff format

types: setup
	$(BIN)/mypy

quick-tests: setup
	$(PYTEST) -m "not slow"

rehearsal: setup
	REHEARSAL=all $(PYTEST) tests/export/test_export_rehearsal.py

docs: setup
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs out/docs
	@echo "open out/docs/index.html"

clean:
	rm -rf $(VENV) out build *.egg-info
