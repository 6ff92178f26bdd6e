# `make run` opens the app on sample data, `make test` runs every test; both set up what they need.

VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready

# The first Python of 3.11 or later that answers; `make setup PYTHON=...` names another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

WORKBENCH_HOME ?= $(CURDIR)/.workbench
export WORKBENCH_HOME

.PHONY: help setup run test check bench lock docs clean

help:
	@echo "make run    set up, make sample data once, open the app"
	@echo "make test   set up, browser included, and run every test"
	@echo "make check  ruff, mypy, import-linter"
	@echo "make bench  speed beside DuckDB, chdb and polars; BENCH_ARGS=\"--size 100m\" for more"
	@echo "make setup  .venv from the lock      make lock  the lock from pyproject.toml"
	@echo "make clean  remove .venv and caches; data stays in $(WORKBENCH_HOME)"

setup: $(READY)

# uv comes from the lock too, so its version and hashes stand in one place.
$(READY): requirements.txt pyproject.toml
	@echo "Setting up $(VENV) ..."
	@python="$(PYTHON)"; python="$${python:-python3}"; \
	fits() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }; \
	create() { fits "$$python" && "$$python" -m venv --clear $(VENV); }; \
	debian() { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv; }; \
	fits $(BIN)/python || create >/dev/null 2>&1 || { debian && create; } \
		|| { echo "Python 3.11 or later with venv is needed: install it (Debian: apt-get install python3-venv)" \
			"or name it with PYTHON=..." >&2; exit 1; }
	@test -x $(BIN)/uv || { \
		awk '/^uv==/ { on = 1 } on { print } on && !/\\$$/ { exit }' requirements.txt > $(VENV)/uv.txt \
		&& $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.txt; }
	@$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@# Compiled once, also where PYTHONDONTWRITEBYTECODE is set: every command would compile it again, for a second.
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -c "import core.registry.registry, sqlalchemy.dialects.sqlite, workbench.commands.audiences"
	@touch $@
	@echo "Ready."

# Sample data is made where there is no dataset yet; your own data is never touched.
run: setup
	@test -e "$(WORKBENCH_HOME)/dataset" || $(BIN)/python -m sample_data.make
	@$(BIN)/workbench run $(if $(PORT),--port $(PORT))

test: setup
	@$(BIN)/python -m tests.debian
	@$(BIN)/python -m tests.chromium
	@$(BIN)/python -m tests.postgres
	$(BIN)/pytest --numprocesses auto --dist loadfile $(PYTEST_ARGS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# chdb is big, so only this target installs it; BENCH_ARGS="--size 100m" measures more (docs/performance.md).
bench: setup
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-bench.txt
	$(BIN)/python -m tests.benchmarks $(BENCH_ARGS)

lock: setup
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --all-extras --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --group bench --constraint requirements.txt \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links -o requirements-bench.txt

# The lists of modules in docs/architecture.md, from the modules' own first lines.
docs: setup
	$(BIN)/python -m tests.test_architecture_doc

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache test-results
