# `make run` and `make test` work on a fresh machine: each makes the virtual environment it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test lint types imports check bench faults docs screenshots clean

run: $(STAMP)
	$(BIN)/traindeck train quickstart

test: $(STAMP) lint types imports
	$(BIN)/pytest -n 2 --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python -m benchmarks

faults: $(STAMP)
	$(BIN)/python -m benchmarks.faults

docs: $(STAMP)
	$(BIN)/python -m trainer.config.docs
	$(BIN)/python -m trainer.commands.docs
	$(BIN)/python -m tui.docs

# The pictures of the README, from the recordings.
screenshots: $(STAMP)
	$(BIN)/python -m screenshots

$(STAMP): pyproject.toml constraints.txt
	@echo 'Installing into $(VENV); the first time takes a minute or two.'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
