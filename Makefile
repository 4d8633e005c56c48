# `make` alone prints what there is. `make demo` and `make test` set up whatever they need.
SHELL := /bin/bash
# A pipe or a log shows each line as it is said.
export PYTHONUNBUFFERED := 1
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin

# A 3.13 that really runs: `python3.13` may be a shim of a version manager that answers "command not found".
PYTHON ?= $(shell for p in python3.13 python3 "$$HOME"/.pyenv/versions/3.13*/bin/python; do \
  "$$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && { command -v "$$p"; break; }; done)

.PHONY: help
help:  ## what can be done
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: demo
demo: $(VENV)/.ready  ## one virtual visit, from set-up to erasure (BREAK=<fault> turns one step red)
	@$(BIN)/python -m sandbox demo $(if $(BREAK),--break $(BREAK))

.PHONY: breaks
breaks: $(VENV)/.ready  ## every fault in turn; each must turn exactly its own step red (a quarter of an hour)
	@$(BIN)/python -m sandbox breaks

.PHONY: up
up: $(VENV)/.ready  ## start everything, with a visit booked, and leave it running (BARE=1: without a hospital)
	@$(BIN)/python -m sandbox up $(if $(BARE),--bare)

.PHONY: down
down: $(VENV)/.ready  ## stop what `make up` left running
	@$(BIN)/python -m sandbox down

.PHONY: test
test: check  ## all checks and tests
	@$(BIN)/python -m tests.chromium
	@$(BIN)/pytest

.PHONY: check
check: $(VENV)/.ready  ## style and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

.PHONY: portal
portal: $(VENV)/.ready  ## the portal's folder to deploy, in build/portal (API=https://... API_ID=... CLIENT_ID=...)
	@$(BIN)/python -m portal.release --api "$(API)" --api-id "$(API_ID)" --client-id "$(CLIENT_ID)" --out build/portal

.PHONY: guides
guides: $(VENV)/.ready  ## the pictures and clips of docs/guides, taken anew from the running page
	@$(BIN)/python -m tests.chromium
	@$(BIN)/python -m tests.guides

.PHONY: bench
bench: $(VENV)/.ready  ## counts and ratios of one run (docs/bench.md)
	@$(BIN)/python -m tests.bench

.PHONY: features
features: $(VENV)/.ready  ## every feature id with the test or demo step that saw it, or "open"
	@$(BIN)/python -m tests.features

.PHONY: clean
clean:  ## remove what the other commands made
	rm -rf $(VENV) .sandbox sandbox/node/node_modules portal/node_modules portal/vendor build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.ready: requirements.txt requirements-dev.txt
ifeq ($(PYTHON),)
	@echo "Python 3.13 was not found. Install it, or say where it is: make demo PYTHON=/path/to/python3.13" >&2; exit 1
endif
	@echo "Setting up $(VENV) with $(PYTHON)"
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
