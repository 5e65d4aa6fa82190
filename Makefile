# Thin: each target prepares .venv if it must, then calls the tool that does the work. `make` alone says what there is.

BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps
LOCK := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" --extra worker --extra simulator --extra build

# The first Python that can be used, by name; `make demo PYTHON=/path/to/python3.12` uses another.
SUITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell $(name) -c '$(SUITS)' 2>/dev/null && echo $(name))))

# Demo and tests start many processes: without bytecode each would compile everything anew, which takes twice the time of its start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test faults check lint format types walls bench lock clean
help:
	@echo "make demo    the whole system on this machine with simulated providers, under load; ends by itself"
	@echo "make test    everything: lint, types, walls, tests"
	@echo "make faults  the fault runs in full length (over half an hour); FAULTS_SEED=n repeats a run's random numbers"
	@echo "make check   lint, types and walls only"
	@echo "make bench   throughput, as ratios to plain references"
	@echo "make lock    requirements/*.txt anew from pyproject.toml (LOCK_OPTIONS=--upgrade: newest versions)"
	@echo "make clean   remove .venv and what the tools left behind; your data stay"

demo: .venv/run.stamp
	@$(BIN)/model-pool demo

check: lint format types walls

lint: .venv/dev.stamp
	@echo "==> lint: ruff check"
	@$(BIN)/ruff check .

format: .venv/dev.stamp
	@echo "==> format: ruff format --check"
	@$(BIN)/ruff format --check .

types: .venv/dev.stamp
	@echo "==> types: mypy"
	@$(BIN)/mypy

walls: .venv/dev.stamp
	@echo "==> walls: import-linter"
	@$(BIN)/lint-imports --no-logo

# All checks and the tests run, also when one is red; any red is an error at the end.
test: .venv/dev.stamp
	@checks=0; $(MAKE) --no-print-directory --keep-going check || checks=$$?; \
	echo "==> tests: pytest"; $(BIN)/pytest -n 3 --dist worksteal || exit $$?; \
	test $$checks -eq 0 || { echo "the tests passed, but a check above did not"; exit $$checks; }

# One run at a time: they measure how soon work is redone. What each did to the system is printed (docs/reliability.md).
faults: .venv/dev.stamp
	@FAULTS=full $(BIN)/pytest -s --timeout 600 tests/faults

bench: .venv/dev.stamp
	@for each in benchmarks/*.py; do echo "==> $$each"; $(BIN)/python $$each || exit $$?; done

lock: | $(BIN)/python
	@$(PIP) uv==0.13.8
	$(LOCK) --extra traces --extra dev pyproject.toml -o requirements/dev.txt $(LOCK_OPTIONS)
	$(LOCK) --constraints requirements/dev.txt pyproject.toml -o requirements/run.txt

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Model Pool needs Python 3.11, 3.12 or 3.13 with its venv module; none is on PATH."; \
	echo "Install one (Debian, Ubuntu: apt install python3 python3-venv), or name it: make demo PYTHON=/path/to/python3.12"; exit 1; }
	@echo "==> making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear .venv

.venv/run.stamp: requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "==> installing what is needed to run (requirements/run.txt, by hash)"
	@$(PIP) --no-compile --require-hashes -r requirements/run.txt
	@$(PIP) --no-build-isolation -e .
	@touch $@

# dev.txt holds all of run.txt, in the same versions
.venv/dev.stamp: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "==> installing what is needed to run and to test (requirements/dev.txt, by hash)"
	@$(PIP) --no-compile --require-hashes -r requirements/dev.txt
	@$(PIP) --no-build-isolation -e .
	@touch .venv/run.stamp $@
