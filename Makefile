# Every way to run this project. `make` alone lists them.
#
#   DATA=sample|full   how many of the demonstration shop's 20.9 million promotion rows
#   SCALE=1            its size: 1 is a year of 2,469 households
#   PORT=8000          where the pages are served; PGPORT=5433 is the embedded database's port, kept once started
#   REQUIRE_ALL=1      a check whose tool is missing fails instead of being skipped

DATA ?= sample
SCALE ?= 1
export PORT ?= 8000

VENV := .venv
BIN := $(VENV)/bin
# pip's own lines are progress for whoever looks on, and noise in a log; errors are said either way.
QUIETLY := $(shell [ -t 2 ] || echo --quiet)
# dlt, to compare with; an environment of its own, since it is no part of this one
DLT := .venv-dlt
LOCKED := requirements/run.txt requirements/dev.txt requirements/dlt.txt
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras --no-header --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help up down clean env env-dev ci lint test deep bench build lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: env ## start everything, with the demonstration shop, and print the address and a login
	@$(BIN)/loader up --data $(DATA) --scale $(SCALE)

down: ## stop the watch, the web server and the embedded database; the data stay
	@if [ -x $(BIN)/loader ]; then $(BIN)/loader down; else echo "nothing was started: there is no $(VENV)"; fi

clean: ## remove the embedded database and all else that was made here (asks first; YES=1: does not)
	@if [ "$(YES)" != 1 ]; then \
		printf 'Remove the embedded database with every load, reject and mart in it? [y/N] '; \
		read -r answer; [ "$$answer" = y ] || { echo "nothing was removed"; exit 1; }; \
	fi
	@if [ -x $(BIN)/loader ]; then $(BIN)/loader down && $(BIN)/loader db clean --yes; \
	elif [ -e .gatehouse/postgres/postmaster.pid ]; then \
		echo "The embedded database may be running, and there is no $(VENV) to stop it with: make env first." >&2; exit 1; \
	fi
	rm -rf .gatehouse target logs build ./*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

build: env ## bring the warehouse and the marts up to date with what was loaded
	@$(BIN)/loader build

# -- the environment ---------------------------------------------------------

env: $(VENV)/.run ## make .venv with what running needs
env-dev: $(VENV)/.dev ## ... and what tests and checks need

# In range, the python3 that is there; else the newest one with a number in its name.
# A version manager's shim may exist and not run: hence each is tried.
# pip is the last that venv puts there: without it the making was broken off, and begins anew.
$(BIN)/pip:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
		"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || continue; \
		echo "environment: making $(VENV) with $$("$$python" --version)"; \
		"$$python" -m venv --clear $(VENV) && exit 0; \
		rm -rf $(VENV); \
		echo "The module venv is missing or broken. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; \
	done; \
	echo "Gatehouse needs Python 3.11, 3.12 or 3.13; python3 is $$(python3 --version 2>&1)." >&2; \
	echo "Install one of them, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1

$(VENV)/.run: requirements/run.txt pyproject.toml | $(BIN)/pip
	@echo "environment: installing what running needs (some minutes the first time)"
	@$(BIN)/python -m pip install $(QUIETLY) --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install $(QUIETLY) --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/pip
	@echo "environment: installing what tests and checks need (some minutes the first time)"
	@$(BIN)/python -m pip install $(QUIETLY) --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install $(QUIETLY) --disable-pip-version-check --no-deps -e .
	@touch $@ $(VENV)/.run

# The larger set is resolved first, and the smaller one follows it: a package has one
# version in both.
lock: env-dev ## resolve requirements/*.txt anew from pyproject.toml
	rm -f $(LOCKED)
	$(LOCK) --extra dev pyproject.toml --output-file requirements/dev.txt
	$(LOCK) --constraint requirements/dev.txt pyproject.toml --output-file requirements/run.txt
	$(LOCK) --constraint requirements/dev.txt requirements/dlt.in --output-file requirements/dlt.txt

$(DLT)/.done: requirements/dlt.txt | $(BIN)/pip
	@echo "environment: installing dlt, for the benchmarks"
	@$(BIN)/python -m venv $(DLT)
	@$(DLT)/bin/python -m pip install $(QUIETLY) --disable-pip-version-check --require-hashes -r requirements/dlt.txt
	@touch $@

# -- checks ------------------------------------------------------------------

ci: env-dev ## everything that must pass
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash .ci/checks all

lint: env-dev ## the checks without the tests
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash .ci/checks lint

test: env-dev ## the tests, but for the deep ones
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# By test and not by file: the longest file alone would take one worker hours.
deep: env-dev ## the tests that take minutes (KILLS=60 of each kind, EXAMPLES=150 a table, HISTORIES=100)
	$(BIN)/python -m pytest -n 2 --dist load -m deep

bench: env $(DLT)/.done ## the benchmarks; they print ratios
	$(BIN)/python -m bench --dlt $(DLT)/bin/python
