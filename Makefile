# Slugline at the terminal. The first target is what plain `make` shows.
PYTHON ?= python3
VENV := .venv/bin
BOOTSTRAP := $(PYTHON) -m deploy.local.bootstrap

.DEFAULT_GOAL := help
.PHONY: help setup run containers demo down test check fmt journeys matrix chaos simulate bench bench-delivery bench-embargoes bench-gateway bench-matching bench-rebuild bench-recovery bench-sender requirements clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Put everything in place: .venv, the Kafka jars, Java and Redis where they are missing
	@$(BOOTSTRAP) dev

run: ## Run the whole wire here, on a real Kafka and Redis; Ctrl-C stops it
	@$(BOOTSTRAP) run
	@$(VENV)/python -m deploy.local up

containers: ## Run the whole wire in containers instead (docker compose)
	@$(BOOTSTRAP) run --only-python
	@$(VENV)/python -m deploy.compose

demo: ## File a story into the running wire and show who gets it (FILE=path for one of yours)
	@$(BOOTSTRAP) run
	@$(VENV)/python -m deploy.local demo $(if $(FILE),"$(FILE)")

down: ## Stop a wire that is running here
	@$(BOOTSTRAP) run --only-python
	@$(VENV)/python -m deploy.local down

test: ## Run every test, on a real broker
	@$(BOOTSTRAP) dev
	@WIRE_REQUIRE_BROKER=1 $(VENV)/pytest $(ARGS)

check: ## Check format, lint, types and import contracts
	@$(BOOTSTRAP) dev --only-python
	$(VENV)/ruff format --check .
	$(VENV)/ruff check .
	$(VENV)/mypy
	$(VENV)/lint-imports --no-logo

fmt: ## Format the code and put imports in order
	@$(BOOTSTRAP) dev --only-python
	$(VENV)/ruff check --quiet --fix --select I .
	$(VENV)/ruff format .

journeys: ## Follow stories through a whole running wire, from the page to the subscriber
	@$(BOOTSTRAP) dev
	@WIRE_REQUIRE_BROKER=1 $(VENV)/pytest tests/journeys $(ARGS)

OLDEST_KAFKA = $(or $(KAFKA_VERSION),3.9.2)

matrix: ## Run what stands on a broker, and the journeys, on the oldest supported Kafka (KAFKA_VERSION=3.9.2)
	@KAFKA_VERSION=$(OLDEST_KAFKA) $(BOOTSTRAP) dev
	@echo "On Kafka $(OLDEST_KAFKA): what stands on a broker in tests/platform, tests/services and tests/deploy; all journeys"
	@KAFKA_VERSION=$(OLDEST_KAFKA) WIRE_REQUIRE_BROKER=1 $(VENV)/pytest -m broker \
		tests/platform tests/services tests/deploy $(ARGS)
	@KAFKA_VERSION=$(OLDEST_KAFKA) WIRE_REQUIRE_BROKER=1 $(VENV)/pytest tests/journeys $(ARGS)

chaos: ## Kill processes while stories flow, and account for every story (MINUTES=5 SEED=… RATE=10)
	@$(BOOTSTRAP) dev
	@$(VENV)/python -m tests.chaos $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) \
		$(if $(RATE),--rate $(RATE)) $(ARGS)

simulate: ## Play crashes, answers and racing kills by the thousand on a wire in memory (N=20000 RACES=10000 SEED=…)
	@$(BOOTSTRAP) dev --only-python
	@SIMULATE_N=$(or $(N),20000) RACES=$(or $(RACES),10000) SIMULATE_SEED=$(or $(SEED),$(shell date +%s)) \
		$(VENV)/pytest tests/simulation -k 'whatever_happens or racing or machine' --timeout=0 $(ARGS)

bench: ## Measure the wire on this machine
	@$(BOOTSTRAP) dev
	@$(VENV)/python -m tests.bench $(ARGS)

bench-delivery: ## Measure webhooks beside floors, aims and bare loops (QUICK=1 ROWS="fan-out steady")
	@$(BOOTSTRAP) dev
	@$(VENV)/python -m tests.bench.delivery $(if $(QUICK),--quick) $(ROWS) $(ARGS)

bench-embargoes: ## File embargoes that end together: how long until all are released, and a flash meanwhile?
	@$(BOOTSTRAP) dev
	@$(VENV)/python -m tests.bench.embargoes $(ARGS)

bench-gateway: ## Measure streams and reads beside floors, aims, a bare loop and nginx (QUICK=1 ROWS="steady flash")
	@$(BOOTSTRAP) dev
	@$(VENV)/python -m tests.bench.gateway $(if $(QUICK),--quick) $(ROWS) $(ARGS)

bench-matching: ## Look up who wants a story among 10,000 distinct filters: how long does it take?
	@$(BOOTSTRAP) dev --only-python
	@$(VENV)/python -m tests.bench.matching $(ARGS)

bench-rebuild: ## Empty Redis under a wire with 100,000 stories: when are its views whole again?
	@$(BOOTSTRAP) dev
	@$(VENV)/python -m tests.bench.rebuild $(ARGS)

bench-recovery: ## Kill every service, then the broker for a minute: when is each at work again?
	@$(BOOTSTRAP) dev
	@$(VENV)/python -m tests.bench.recovery $(ARGS)

bench-sender: ## Post to receivers on this machine through our sender, aiohttp's, and a bare loop: what does one POST cost?
	@$(BOOTSTRAP) dev --only-python
	@$(VENV)/python -m tests.bench.sender $(ARGS)

COMPILE = $(VENV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command 'make requirements' $(ARGS) pyproject.toml requirements/build.in

requirements: ## Pin every library again from pyproject.toml (ARGS=--upgrade for the newest)
	@$(BOOTSTRAP) dev --only-python
	$(COMPILE) --output-file requirements/run.txt
	$(COMPILE) --extra dev --constraint requirements/run.txt --output-file requirements/dev.txt

clean: ## Stop the wire, wipe its data and what tools left; libraries and jars stay
	@if [ -x $(VENV)/python ]; then $(VENV)/python -m deploy.local down; fi
	rm -rf .local .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist htmlcov
