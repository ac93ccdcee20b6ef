# Antiphon: everything starts from here. Needs git, make and Python 3.11 or newer; the rest is put into .venv.

VENV      := .venv
BIN       := $(VENV)/bin
PYTHON    ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
PIP       := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
RUNTIME   := $(VENV)/.runtime-installed
DEV       := $(VENV)/.dev-installed
TESTS     ?= tests
SHARED    ?= ../shared
SHELL     := /bin/sh

# HOST is taken from the command line only: some shells export their machine's name under it.
SERVE_FLAGS :=
ifeq ($(origin HOST),command line)
SERVE_FLAGS += --host '$(HOST)'
endif
ifneq ($(PORT),)
SERVE_FLAGS += --port '$(PORT)'
endif
ifneq ($(DATA_DIR),)
SERVE_FLAGS += --data-dir '$(DATA_DIR)'
else ifeq ($(ANTIPHON_DATA_DIR),)
SERVE_FLAGS += --data-dir data
endif

.PHONY: help serve test lint format bench prove docs wheel constraints clean web lint-web test-web screens
.DEFAULT_GOAL := help

help:
	@echo "make serve [HOST= PORT= DATA_DIR=]   start Antiphon (installs what it needs first)"
	@echo "make test                            linters and all tests"
	@echo "make lint | format                   ruff, pyright, import-linter | ruff format"
	@echo "make web | screens                   the web app's bundle | its pictures in docs/screens"
	@echo "make bench | prove                   measurements | the long versions of the tests"
	@echo "make docs | wheel | constraints      generated pages | dist/*.whl | constraints.txt"
	@echo "make clean                           remove what was built (never data/)"

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Antiphon needs Python 3.11 or newer and found none. Install it, or say: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; \
		exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "$(PYTHON) is no Python 3.11 or newer. Say: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Creating $(VENV) with $(PYTHON) (once)." >&2
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Antiphon into $(VENV) (again only when pyproject.toml or constraints.txt change)." >&2
	@$(PIP) --editable . || { echo "The installation failed; pip's words are above." >&2; exit 1; }
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Antiphon with its development tools into $(VENV)." >&2
	@$(PIP) --editable '.[dev]' || { echo "The installation failed; pip's words are above." >&2; exit 1; }
	@touch $@ $(RUNTIME)

# exec: the server takes the place of the shell, so that Ctrl-C and SIGTERM reach it directly.
serve: $(RUNTIME)
	@$(BIN)/python scripts/build_web.py --if-possible
	@exec $(BIN)/antiphon serve $(SERVE_FLAGS)

# The bundle in src/antiphon/server/bundle; nothing happens while web/ is as it was.
web: $(BIN)/python
	@$(BIN)/python scripts/build_web.py

lint: $(DEV) lint-web
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports --no-logo

# Machines without Node lint and test the Python side only, and say so.
NPM_WEB := npm --prefix web --silent
lint-web:
	@if command -v npm >/dev/null 2>&1; then \
		$(BIN)/python scripts/build_web.py --modules && $(NPM_WEB) run lint && $(NPM_WEB) run typecheck; \
		else echo "web/: not linted, there is no npm here" >&2; fi

test-web:
	@if command -v npm >/dev/null 2>&1; then $(BIN)/python scripts/build_web.py && $(NPM_WEB) test; \
		else echo "web/: not tested, there is no npm here" >&2; fi

# Needs Chromium; looks at a real server with the sample documents and a model of its own.
screens: $(DEV) web
	@$(NPM_WEB) run screens
	@$(BIN)/python scripts/shrink_pictures.py docs/screens

format: $(DEV)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

test: lint test-web
	@scripts/install_test_packages.sh
	@$(BIN)/pytest $(TESTS)

# Each prints why it is skipped where the data or the fake model server is not there.
bench: $(DEV)
	@$(BIN)/python bench/live.py
	@$(BIN)/python bench/retrieval.py $(SHARED)/data
	@if [ -d $(SHARED)/data/docs ]; then $(BIN)/python bench/documents.py $(SHARED)/data/docs --mkpdf $(SHARED)/bench/mkpdf.py \
		--news $(SHARED)/data/crud_news/passages.jsonl; else echo "bench/documents.py: skipped, there is no $(SHARED)/data/docs"; fi
	@$(BIN)/python bench/ingest_beside.py $(SHARED)/data/crud_news/passages.jsonl
	@if command -v npm >/dev/null 2>&1 && command -v chromium >/dev/null 2>&1; then $(BIN)/python scripts/build_web.py && \
		$(NPM_WEB) run bench; else echo "web/tests/bench: skipped, there is no npm or no chromium"; fi
	@if [ -f $(SHARED)/bench/fake_openai.py ]; then $(BIN)/python bench/model_stream.py; \
		else echo "bench/model_stream.py: skipped, there is no $(SHARED)/bench"; fi

# Local models and LangChain are proved too where their packages can be had; pip's words say why not.
prove: lint
	@$(PIP) --editable '.[dev,local-chat,langchain]' || echo "Without the extras local-chat and langchain: their tests are skipped." >&2
	@ANTIPHON_PROVE=1 $(BIN)/pytest $(TESTS)

docs: $(DEV)
	@$(BIN)/python scripts/generate_docs.py
	@$(BIN)/python scripts/generate_web_types.py
	@$(BIN)/python scripts/generate_web_fixtures.py

wheel: $(DEV)
	@$(BIN)/python -m build --wheel

# The pins, without the address of any package index.
constraints: $(DEV)
	@$(BIN)/python scripts/compile_constraints.py

clean:
	rm -rf $(VENV) web/node_modules src/antiphon/server/bundle dist build .ruff_cache .pytest_cache .hypothesis .import_linter_cache
