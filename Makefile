# What a person types. Everything happens in .venv; nothing is installed elsewhere.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
OURS := contract controller workers tonnage locustfiles
CODE := $(OURS) deploy/demo benchmarks tools tests
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo up test lint format lock bench wheel clean

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

install:  ## Set up .venv with pinned requirements (does nothing when it is up to date)
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Tonnage needs Python 3.11 or newer; '$(PYTHON)' is older or not there." >&2; \
	    echo "Name another one: make install PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" tools/setup.py

demo: install  ## Find the capacity of a toy model server on this machine
	@$(PY) -m tonnage demo $(ARGS)

up: install  ## Start controller, workers and an embedded Redis on this machine
	@$(PY) -m tonnage up $(ARGS)

test: install  ## Run every test; ARGS go to pytest (ARGS="-k bracket")
	@$(PY) tools/test.py -- $(ARGS)

lint: install  ## Style, types, import rules, sizes, spelling
	@$(PY) tools/lint.py

format: install  ## Rewrite the code as the formatter has it
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format .

lock:  ## Pin the dependencies again (needs uv; ARGS=--upgrade moves them)
	@"$(PYTHON)" tools/lock.py $(ARGS)

bench: install  ## List the benchmarks
	@$(PY) tools/benchmarks.py

wheel: install  ## Build dist/tonnage-*.whl
	@$(PY) -m hatchling build -t wheel

clean:  ## Remove .venv, builds and caches; journals and data stay
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
