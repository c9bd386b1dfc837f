# Two commands: `make demo` and `make test`. Both set up .venv first. `make test-all` also runs what
# takes long, or needs another user or the network.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where pip may find a CPU build of torch, asked only on a Linux machine without a GPU; empty to ask
# nowhere: make TORCH_INDEX= demo
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH ?= torch==2.13.0

.PHONY: demo test test-all install lint types unit clean

demo: install
	$(BIN)/hrmgym repair
	$(BIN)/hrmgym train demo

test: install lint types unit

test-all: SELECTION :=
test-all: EXAMPLES := random
test-all: test

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "hrmgym needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@index=; \
	if [ "$$(uname -s)" = Linux ] && [ -n "$(TORCH_INDEX)" ] && ! ls /dev/nvidia[0-9]* /dev/kfd >/dev/null 2>&1; \
		then index="--extra-index-url $(TORCH_INDEX) --retries 1"; fi; \
	set -x; $(BIN)/python -m pip install --quiet $$index -c constraints.txt "$(TORCH)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check

# mypy reads a tree of links that looks like the installed package.
types: install
	@mkdir -p build/types/hrmgym
	@for folder in envs experiments hrm policies search trainers; do \
		ln -sfn ../../../$$folder build/types/hrmgym/$$folder; done
	@for file in package/*; do ln -sfn ../../../$$file build/types/hrmgym/$$(basename $$file); done
	cd build/types && ../../$(BIN)/mypy --config-file ../../pyproject.toml

# Tests that watch the machine, or a sandbox's time, have it to themselves.
SELECTION := not nightly
EXAMPLES := repeatable
BOXES := tests/envs/sandboxes
ALONE := tests/attacks tests/benchmarks/test_chaos.py tests/docker $(BOXES)/confinement $(BOXES)/local \
	$(addprefix $(BOXES)/test_,failures.py handle.py hostile_code.py host_settings.py pool.py)

PYTEST = $(BIN)/python -m pytest -q -m "$(SELECTION)" --hypothesis-profile $(EXAMPLES)

unit: install
	$(PYTEST) $(ALONE)
	OMP_NUM_THREADS=1 $(PYTEST) -n auto --maxprocesses 4 --dist worksteal $(ALONE:%=--ignore=%)

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache *.egg-info
