# The one door for developers and for newcomers. `make help` says what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)
STAMP := .venv/.installed
DEVELOP := .venv/.develop
PYTEST := $(BIN)/python -m pytest
ROOMS := agents/src tests
SCRIPTS := $(shell git ls-files "*.sh") .ci/run

.PHONY: help venv develop lock inventory demo test test-rooms test-hosts soak docs lint bench clean

help: ## Say what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

venv: $(STAMP) ## Make .venv with Ansible and the postroom command: all that an installation needs

$(STAMP): requirements/controller.txt requirements/collections.txt requirements/installer.txt agents/pyproject.toml tools/make_venv.sh
	@tools/make_venv.sh
	@touch $@

develop: $(DEVELOP) ## Add to .venv what the tests and checks need

$(DEVELOP): $(STAMP) requirements/develop.txt
	@tools/make_venv.sh develop
	@touch $@

# The locks build on one another, so that a package has one version in all of them, and on hosts.
LOCK := uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header
lock: $(STAMP) ## Lock the requirements anew
	$(LOCK) requirements/installer.in -o requirements/installer.txt
	$(LOCK) agents/pyproject.toml -o requirements/agents.txt
	$(LOCK) requirements/agents.build.in -o requirements/agents.build.txt
	$(LOCK) -c requirements/agents.txt -c requirements/agents.build.txt requirements/controller.in -o requirements/controller.txt
	$(LOCK) --override requirements/overrides.in -c requirements/controller.txt -c requirements/installer.txt \
	  requirements/develop.in -o requirements/develop.txt
	$(LOCK) -c requirements/controller.txt requirements/collections.in -o requirements/collections.txt \
	  $(addprefix --no-emit-package ,ansible-core cffi cryptography jinja2 markupsafe packaging pycparser pyyaml resolvelib)

# Only what stands in the command counts: some shells have a variable HOST or NAME of their own.
given = $(if $(filter command,$(firstword $(origin $(1)))),--$(2)='$($(1))')
inventory: $(STAMP) ## Write a first inventory: NAME=acme DOMAIN=acme.org HOST=mail.acme.org IPV4=192.0.2.25
	@$(BIN)/python tools/make_inventory.py $(call given,NAME,name) $(call given,DOMAIN,domain) $(call given,HOST,host) \
	  $(call given,IPV4,ipv4) $(call given,IPV6,ipv6) $(call given,TITLE,title) $(call given,ADMIN,admin)

demo: $(STAMP) ## Two companies on this machine: hosts, mail both ways, and a table of what was proved
	@tools/demo.sh

test: lint test-hosts test-rooms ## All tests, from parsers to real hosts

test-rooms: $(DEVELOP) ## Tests that need no hosts
	@tools/install_test_tools.sh
	$(PYTEST) $(PYTEST_OPTIONS)

test-hosts: $(DEVELOP) ## The two companies by Molecule: create, converge, idempotence, verify, destroy
	@tools/test_hosts.sh

soak: $(DEVELOP) ## The reliability tests with large numbers
	@tools/install_test_tools.sh
	SOAK=$${SOAK:-1} $(PYTEST) -m soak $(PYTEST_OPTIONS)

docs: $(STAMP) ## Write the pages that come from the code: commands, settings, the manual page
	@for page in commands settings manual; do $(BIN)/python tools/$${page}_page.py; done

lint: $(DEVELOP) ## Types, style, directions of imports, roles
	ruff check $(ROOMS) tools playbooks plugins roles
	ruff format --check -q $(ROOMS) tools
	mypy agents/src/postroom
	lint-imports
	ansible-lint --offline -q
	yamllint -s .
	shellcheck -x $(SCRIPTS)

bench: $(DEVELOP) ## Postroom beside Postfix and Dovecot, in one run on this machine
	@tools/bench.sh

clean: ## Remove the hosts, their network and all that was built
	@tools/clean.sh
