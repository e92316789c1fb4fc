# Every target does its own set-up; `make` alone says what there is.
.DEFAULT_GOAL := help
.PHONY: up demo story stop test test-full chaos check messages screenshots help clean lock browser
.PHONY: bench-engine bench-engine-history bench-idle bench-policy bench-actions bench-ledger bench-live bench-pages chaos-ledger
MAKEFLAGS += --no-print-directory

PYTHON ?= python3.11
# One more than there are processors: some tests wait for processes, leases and clocks.
JOBS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 1)))
# What kills processes under load is not to be starved by its neighbours as well.
FULL_JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
# Compiled modules halve the start of every process; some containers forbid them for an image's sake.
unexport PYTHONDONTWRITEBYTECODE
# BROWSER=0 leaves the browser tests out on purpose.
BROWSER ?= 1
CHROMIUM ?= $(firstword $(wildcard /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome))
export CHROMIUM

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# A check reads the settings and no server: these addresses lead nowhere.
CHECK_ENV := SECRET_KEY=for-the-checks-only-000000000000000000000000000000000000 \
	CONNECTOR_KEKS=Zm9yIHRoZSBjaGVja3Mgb25seSwgMzIgYnl0ZXMhISE= REDIS_URL=redis://127.0.0.1:1/0 \
	DATABASE_URL=postgres://app@127.0.0.1:1/none DATABASE_OWNER_URL=postgres://owner@127.0.0.1:1/none \
	DATABASE_SEQUENCER_URL=postgres://sequencer@127.0.0.1:1/none AUTONOMY_DATA_DIR=var/check DEMO_COMPANY=1

up: .venv/.installed ## Start everything on this machine; Ctrl-C stops it, a second start continues
	@exec $(BIN)/python -m autonomy.launch up

demo: .venv/.installed ## Book a day's invoices headless on own data and ports (INVOICES=folder for yours); last line JSON
	@exec $(BIN)/python -m autonomy.launch demo

story: .venv/.installed ## Play one agent's working life the same way: hired, held, approved, stopped
	@exec $(BIN)/python -m autonomy.launch story

stop: .venv/.installed ## Stop a portal that runs in another terminal, and what a crash left behind
	@exec $(BIN)/python -m autonomy.launch stop

test: .venv/.installed-dev browser ## Run the tests on real services (BROWSER=0 leaves the browser out)
	@$(BIN)/pytest -n $(JOBS) -m "not full$(if $(filter 0,$(BROWSER)), and not browser)"

test-full: .venv/.installed-dev browser ## Run what is long by nature: chaos, fuzz, long properties, every page
	@$(BIN)/pytest -n $(FULL_JOBS) --timeout 1200 -m "full$(if $(filter 0,$(BROWSER)), and not browser)"

chaos: .venv/.installed-dev ## Kill everything of the product under load, 300 times (SCALE=0.1: 30 times); last line JSON
	@$(BIN)/python -m tests.chaos --scale $(or $(SCALE),1.0)

check: .venv/.installed-dev ## Lint, formatting, types, import contracts, migrations, system checks
	@echo "ruff check" && $(BIN)/ruff check .
	@echo "ruff format" && $(BIN)/ruff format --check .
	@echo "mypy" && $(CHECK_ENV) $(BIN)/mypy audit agents connectors workflows autonomy
	@echo "import contracts" && $(CHECK_ENV) $(BIN)/lint-imports --no-cache
	@echo "migrations" && $(CHECK_ENV) $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	@echo "system checks" && $(CHECK_ENV) $(BIN)/python manage.py check --fail-level ERROR

screenshots: .venv/.installed-dev browser ## Take the pictures of the README from a demo company at work
	@$(BIN)/python -m tests.screenshots

messages: .venv/.installed-dev ## Gather the texts of the portal for translation, and compile the catalogues
	@$(CHECK_ENV) DJANGO_SETTINGS_MODULE=autonomy.settings $(BIN)/python -m tests.translations

bench-engine: .venv/.installed-dev var/bench-venv/.installed ## Measure the engine beside DBOS Transact and plain Celery (ROUNDS=3); last line JSON
	@$(BIN)/python -m tests.benchmarks.engine var/bench-venv/bin/python

bench-engine-history: .venv/.installed-dev ## Measure what a step costs when a million are done; last line JSON
	@$(BIN)/python -m tests.benchmarks.history

bench-idle: .venv/.installed-dev ## Measure what a portal costs while nothing happens; last line JSON
	@$(BIN)/python -m tests.benchmarks.idle

bench-policy: .venv/.installed-dev ## Measure a decision with 10, 100 and 1,000 rules, and a back-test; last line JSON
	@$(BIN)/python -m tests.benchmarks.policy

bench-actions: .venv/.installed-dev ## Measure what an accepted action costs over HTTP beside a bare view; last line JSON
	@$(BIN)/python -m tests.benchmarks.actions

bench-ledger: .venv/.installed-dev ## Measure what the ledger takes in, how soon it is sealed, how fast it is verified; last line JSON
	@$(BIN)/python -m tests.benchmarks.ledger

bench-pages: .venv/.installed-dev ## Measure every page with 1,000,000 actions and 10,000 agents (SHARE=0.1: a tenth); last line JSON
	@$(BIN)/python -m tests.benchmarks.pages $(or $(SHARE),1)

bench-live: .venv/.installed-dev ## Measure how soon 200 live pages of 20 people show what happened, and that none misses any; last line JSON
	@$(BIN)/python -m tests.benchmarks.live

chaos-ledger: .venv/.installed-dev ## Kill the sealer 50 times and PostgreSQL 10 times, tamper 1,000 times; last line JSON
	@$(BIN)/python -m tests.chaos.ledger

# The baseline's packages are never in the product's environment.
var/bench-venv/.installed: tests/benchmarks/requirements.lock | .venv/.python
	@echo "  Installing the baseline of the measurement ..." >&2
	@mkdir -p var && $(PYTHON) -m venv --clear var/bench-venv
	@var/bench-venv/bin/python -m pip --disable-pip-version-check --no-input install -qq --require-hashes --no-deps \
		-r tests/benchmarks/requirements.lock >&2
	@touch $@

help: ## Say what there is
	@echo "Autonomy OS. The two commands you need: make up, make test"
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo "  Settings: AUTONOMY_PORT, ERP_PORT, AUTONOMY_DATA_DIR, DATABASE_URL, REDIS_URL (docs/installing.md)"

clean: ## Remove the virtual environment and the caches; your data in var/ stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache var/check
	@find . -name __pycache__ -not -path './node_modules/*' -prune -exec rm -rf {} +

.venv/.python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or 3.12 is needed, and '$(PYTHON)' is not here." \
		"Debian: apt-get install python3.11-venv; macOS: brew install python@3.11; another name: PYTHON=python3.12 make ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || { \
		echo "'$(PYTHON)' is $$($(PYTHON) -V 2>&1); Python 3.11 or 3.12 is needed: PYTHON=python3.11 make ..." >&2; exit 1; }
	@echo "  Making the virtual environment .venv ..." >&2
	@[ ! -L .venv ] || { echo ".venv is a link to $$(readlink .venv), which somebody else may use; it was left alone." \
		"Remove the link, or run 'touch .venv/.python' to use what it points to." >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv || { rm -rf .venv; echo "The virtual environment could not be made." \
		"Debian: apt-get install python3.11-venv. If the disk is full, free some space." >&2; exit 1; }
	@touch $@

.venv/.installed: requirements.lock | .venv/.python
	@echo "  Installing the locked packages ..." >&2
	@$(PIP) install -qq --require-hashes --no-deps -r requirements.lock >&2 || { echo "The packages could not be" \
		"installed; the reason is above. Check the network, the package index and the disk, then run it again." >&2; exit 1; }
	@touch $@

.venv/.installed-dev: requirements-dev.lock requirements.lock | .venv/.python
	@echo "  Installing the locked packages for development ..." >&2
	@$(PIP) install -qq --require-hashes --no-deps -r requirements-dev.lock >&2 || { echo "The packages could not be" \
		"installed; the reason is above. Check the network, the package index and the disk, then run it again." >&2; exit 1; }
	@touch $@ .venv/.installed

browser:
	@if [ "$(BROWSER)" = 0 ]; then echo "BROWSER=0: the browser tests are left out on purpose."; \
	elif [ -n "$(CHROMIUM)" ] && [ -x "$(CHROMIUM)" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && [ -f /etc/debian_version ]; then \
		echo "Installing Debian's Chromium for the browser tests ..."; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else echo "The browser tests need Chromium. Run: sudo apt-get install chromium" \
		"(or name one: CHROMIUM=/path make test; or leave them out: BROWSER=0 make test)" >&2; exit 1; fi
