# Two commands: `make serve` runs the service, `make test` passes the tests. Both do all their own set-up.
PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/.synced
TOOLCHAINS ?= opencv torch

.DEFAULT_GOAL := help
.PHONY: help serve test lint toolchains clean

help:
	@echo "make serve   run the service on http://localhost:$${ONNXHUB_PORT:-8000}"
	@echo "make test    run every test"
	@echo "make lint    style, types and import rules"

$(RUN)/uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "onnxhub needs Python 3.11 or newer; name one with: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(STAMP): $(RUN)/uv pyproject.toml uv.lock
	$(RUN)/uv sync --locked --compile-bytecode --quiet
	$(RUN)/python -m compileall -q app workers
	$(RUN)/python -m workers.report.compiled
	@touch $@

toolchains: $(STAMP)
	@for name in $(TOOLCHAINS); do $(RUN)/onnxhub toolchain install $$name || exit 1; done

serve: toolchains
	$(RUN)/onnxhub serve

test: toolchains
	$(RUN)/pytest -n 2 --dist loadfile

lint: $(STAMP)
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
