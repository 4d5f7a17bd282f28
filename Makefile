# Everything a user does by hand, in one place: `make help`.
#
#   make reproduce CORES=8 STUDY=paper

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
# nproc obeys OMP_NUM_THREADS, which is about something else.
CORES ?= $(shell env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
STUDY ?= laptop

# make test VENV=build/other PYTHON=python3.12   in another environment, beside .venv. One that the
# shell happens to name is not ours: set-up would clear it.
ifeq ($(origin VENV),environment)
  override VENV := .venv
endif
VENV ?= .venv

# Packages go into the environment alone, and come from it alone, whatever the user has set for pip.
export PIP_USER := 0
export PYTHONNOUSERSITE := 1
unexport PIP_TARGET PIP_PREFIX PYTHONHOME
# What the user wrote reaches the shell as a variable, never as text.
export STUDY CORES

# Supported are the Pythons from OLDEST on and before BEYOND, as pyproject.toml says.
OLDEST := $(shell sed -nE 's/^requires-python = ">=([0-9.]+),<[0-9.]+"$$/\1/p' pyproject.toml)
BEYOND := $(shell sed -nE 's/^requires-python = ">=[0-9.]+,<([0-9.]+)"$$/\1/p' pyproject.toml)
# Tools that make the environment and the lock; newer than those that come with a Python.
PIP := 26.3
UV := 0.13.9

BIN := $(VENV)/bin
# An environment runs the code of the checkout that it was made in: a moved or copied one makes its own.
READY := $(VENV)/.ready-$(shell pwd | cksum | cut -d' ' -f1)
PEERS := build/benchmarks
SITE := build/site-environment
# Rules of the workflow call programs of the environment by name, so it leads the search path.
WITH_ENV := PATH="$(abspath $(BIN)):$$PATH"
SNAKEMAKE := $(WITH_ENV) snakemake --config "study=$$STUDY" --cores "$$CORES"
SNAKEFILES := Snakefile workflow
SMOKE_TESTS := $(addprefix tests/test_,package.py parameterization.py base_install.py minimal.py)

.PHONY: help setup reproduce figures compare bench docs test smoke oldest check format lock clean

help: ## Show this list
	@echo "make TARGET [CORES=$(CORES)] [STUDY=$(STUDY)] [PYTHON=$(PYTHON)]"
	@sed -nE 's/^([a-z]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(READY) ## Make the environment .venv, once, from requirements.lock

# pip compiles on one core. Where Python may not write bytecode, every process would else compile
# torch anew; a file of another Python's syntax in some package is no reason to stop.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; read = lambda text: [*map(int, text.split("."))]; \
	  sys.exit(not read("$(OLDEST)") <= list(sys.version_info[:3]) < read("$(BEYOND)"))' || { \
	  echo "nup needs a Python from $(OLDEST) on and before $(BEYOND), but PYTHON=$(PYTHON) is" \
	    "$$($(PYTHON) --version 2>&1 || true)." \
	    "Name another: make setup PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
	  echo "PYTHON=$(PYTHON) cannot make environments: its modules venv and ensurepip are missing." \
	    "Install them (Debian, Ubuntu: apt-get install python3-venv) or name another Python" >&2; \
	  exit 1; }
	@echo "Installing the packages of requirements.lock in $(VENV), once: some minutes" >&2
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet pip==$(PIP)
	$(BIN)/python -m pip install --quiet --no-compile --requirement requirements.lock
	-$(BIN)/python -m compileall -q -j $(CORES) $(VENV)/lib >/dev/null 2>&1
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

reproduce: $(READY) ## Train, judge the claims, draw the figures and write the pages of STUDY
	$(SNAKEMAKE)

figures: $(READY) ## Draw the figure notebooks again from the tables, without training
	$(SNAKEMAKE) figures

compare: $(READY) ## Hold the claims of STUDY against the shipped ones: prints what differs, writes compare.html
	$(BIN)/nup compare "results/$$STUDY/tables/claims.parquet" \
	  "results/reference/$$STUDY/tables/claims.parquet" --page "results/$$STUDY/compare.html"

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

docs: $(SITE)/.ready ## Build the documentation as a site, build/site
	$(SITE)/bin/mkdocs build --strict

# Nothing that builds pages is needed by what trains, so it has an environment of its own.
$(SITE)/.ready: docs/requirements.txt
	$(PYTHON) -m venv --clear $(SITE)
	$(SITE)/bin/python -m pip install --quiet --requirement $<
	@touch $@

# Kernels are compiled first, once: each worker would else compile all of them at the same time. Workers
# are two more than cores: the tests of SLURM wait most of their time.
test: $(READY) ## Run the tests
	$(WITH_ENV) nup train --depth 3 --width 4 --steps 6 --seeds 1 >/dev/null
	$(WITH_ENV) pytest -n "$$((CORES + 2))"

smoke: ## Try another PYTHON for a minute, in an environment of its own, build/smoke
	$(MAKE) setup VENV=build/smoke
	build/smoke/bin/nup --help
	build/smoke/bin/nup train --depth 3 --width 4 --steps 10 --seeds 2
	build/smoke/bin/pytest --quiet $(SMOKE_TESTS)

# torch's range is what the tests have passed on, and its CPU build needs none of the CUDA packages.
oldest: ## Try the oldest versions of packages that pyproject.toml allows, in build/oldest
	rm -rf build/oldest
	$(PYTHON) -m venv build/oldest
	build/oldest/bin/python -m pip install --quiet pip==$(PIP) uv==$(UV)
	build/oldest/bin/uv pip compile --quiet --resolution lowest-direct --python build/oldest/bin/python \
	  --no-header --no-annotate --extra dev pyproject.toml > build/oldest/resolved
	grep -vE "^(nvidia-|cuda-|triton=)" build/oldest/resolved > build/oldest/packages
	build/oldest/bin/python -m pip install --quiet --no-compile --no-deps --requirement build/oldest/packages
	build/oldest/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	build/oldest/bin/nup train --depth 3 --width 4 --steps 10 --seeds 2
	build/oldest/bin/pytest --quiet $(SMOKE_TESTS)

check: $(READY) ## Check format, lint, types, imports and the workflow
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check $(SNAKEFILES)
	$(WITH_ENV) snakemake --lint

format: $(READY) ## Format the code and strip the notebooks of outputs
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/snakefmt $(SNAKEFILES)
	$(BIN)/nbstripout notebooks/*.ipynb

# One file for every Python and platform: markers stand where versions differ. uv keeps what
# requirements.lock already says, so that nothing changes unless it must. The CUDA packages that
# torch asks for on Linux are left out: torch pins them itself, and its CPU build needs none.
lock: ## Resolve pyproject.toml into requirements.lock (UPGRADE=1: the newest versions that it allows)
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet uv==$(UV)
	cp requirements.lock build/lock/resolved
	build/lock/bin/uv pip compile --quiet --universal --python-version $(OLDEST) $(if $(UPGRADE),--upgrade) \
	  --no-header --no-annotate --extra dev --extra slurm --output-file build/lock/resolved pyproject.toml >&2
	{ sed '/^[^#]/,$$d' requirements.lock; \
	  grep -vE "^(nvidia-|cuda-|triton=)|^[^;]*; [a-z_]+ == '(win32|pypy)'$$" build/lock/resolved; } > build/lock.txt
	mv build/lock.txt requirements.lock
	rm -rf build/lock

clean: ## Remove the environment and caches; results/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build src/nup.egg-info
