# The one door for developers and for newcomers. `make help` says what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)
STAMP := .venv/.installed
PYTEST := $(BIN)/python -m pytest
ROOMS := agents/src tests

.PHONY: help venv lock demo test test-rooms test-hosts soak lint bench clean

help: ## Say what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

venv: $(STAMP) ## Make .venv with Ansible, the tests' tools and the postroom command

$(STAMP): requirements/controller.txt agents/pyproject.toml tools/make_venv.sh
	@tools/make_venv.sh
	@touch $@

lock: $(STAMP) ## Lock the requirements anew
	uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header \
	  --override requirements/overrides.in requirements/controller.in -o requirements/controller.txt

demo: $(STAMP) ## Two companies on this machine: hosts, mail both ways, and a table of what was proved
	@tools/demo.sh

test: lint test-hosts test-rooms ## All tests, from parsers to real hosts

test-rooms: $(STAMP) ## Tests that need no hosts
	@tools/install_test_tools.sh
	$(PYTEST) $(PYTEST_OPTIONS)

test-hosts: $(STAMP) ## The two companies by Molecule: create, converge, idempotence, verify, destroy
	@tools/test_hosts.sh

soak: $(STAMP) ## The reliability tests with large numbers
	@tools/install_test_tools.sh
	SOAK=$${SOAK:-1} $(PYTEST) -m soak $(PYTEST_OPTIONS)

lint: $(STAMP) ## Types, style, directions of imports, roles
	ruff check $(ROOMS) tools playbooks roles
	ruff format --check -q $(ROOMS) tools
	mypy agents/src/postroom
	lint-imports
	ansible-lint --offline -q

bench: $(STAMP) ## Postroom beside Postfix and Dovecot, in one run on this machine
	@tools/bench.sh

clean: ## Remove the hosts, their network and all that was built
	@tools/clean.sh
