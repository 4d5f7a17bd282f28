# Everything a user does by hand, in one place: `make help`.
#
#   make reproduce CORES=8 STUDY=paper

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
STUDY ?= laptop

BIN := .venv/bin
READY := .venv/.ready
PEERS := build/benchmarks
# Rules of the workflow call programs of the environment by name, so it leads the search path.
WITH_ENV := PATH="$(CURDIR)/$(BIN):$$PATH"
SNAKEMAKE := $(WITH_ENV) snakemake --config study=$(STUDY) --cores $(CORES)
SNAKEFILES := Snakefile workflow

.PHONY: help setup reproduce figures compare bench test check format lock clean

help: ## Show this list
	@echo "make TARGET [CORES=$(CORES)] [STUDY=$(STUDY)] [PYTHON=$(PYTHON)]"
	@sed -nE 's/^([a-z]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(READY) ## Make the environment .venv, once, from requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "nup needs Python 3.11 or newer, but PYTHON=$(PYTHON) is" \
	    "$$($(PYTHON) --version 2>&1 || true)." \
	    "Name a newer one: make setup PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

reproduce: $(READY) ## Train, judge the claims, draw the figures and write the report of STUDY
	$(SNAKEMAKE)

figures: $(READY) ## Draw the figure notebooks again from the tables, without training
	$(SNAKEMAKE) figures

compare: $(READY) ## Hold the claims of STUDY against the shipped ones and print what differs
	$(BIN)/nup compare results/$(STUDY)/tables/claims.parquet \
	  results/reference/$(STUDY)/tables/claims.parquet

bench: $(READY) $(PEERS)/.ready ## Time training against its peers and write docs/benchmarks.md (QUICK=1: three minutes)
	PYTHONPATH=$(PEERS) $(BIN)/python -m benchmarks \
	  $(if $(QUICK),--effort quick --out build/bench-quick)

# JAX is no dependency of nup. Where it cannot be had, the benchmark reports it as absent.
$(PEERS)/.ready: benchmarks/requirements.txt | $(READY)
	rm -rf $(PEERS)
	mkdir -p $(PEERS)
	if $(BIN)/python -m pip install --quiet --no-deps --target $(PEERS) --requirement $<; \
	then touch $@; \
	else echo "JAX could not be installed: its peers will be reported as absent" >&2; fi

test: $(READY) ## Run the tests
	$(WITH_ENV) pytest -n $(CORES)

check: $(READY) ## Check format, lint, types and the workflow
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check $(SNAKEFILES)
	$(WITH_ENV) snakemake --lint

format: $(READY) ## Format the code and strip the notebooks of outputs
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/snakefmt --quiet $(SNAKEFILES)
	$(BIN)/nbstripout notebooks/*.ipynb

lock: ## Resolve the newest versions that pyproject.toml allows into requirements.lock
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet '.[dev,slurm]'
	{ sed '/^[^#]/,$$d' requirements.lock; build/lock/bin/python -m pip freeze --all | \
	  grep -vE '^(nup|pip|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+|triton)( @|==)' | sed 's/+[a-z0-9.]*$$//'; } > build/lock.txt
	mv build/lock.txt requirements.lock
	rm -rf build/lock

clean: ## Remove the environment and caches; results/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build src/nup.egg-info
