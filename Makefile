# The face of everything; each target's comment is what `make help` prints.
.DEFAULT_GOAL := help
SHELL := bash

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: ## the whole thing: stack, services, messages in, invoices out; ODOO=fake does without a real Odoo
	@scripts/demo

.PHONY: demo-down
demo-down: ## stop the demo; its data stay, so that the next `make demo` goes on
	@scripts/demo down

.PHONY: test
test: ## every test: first those that need nothing, then those on the real stack
	@scripts/test

.PHONY: test-fast
test-fast: ## the tests that need neither broker nor database
	@scripts/test fast

.PHONY: test-runbooks
test-runbooks: ## the incidents of docs/runbooks, made on the real stack, their pages typed command by command
	@scripts/test runbooks

.PHONY: test-kills
test-kills: ## kill -9 and SIGSTOP at every named place, and restarts of everything, during traffic
	@scripts/test kills

.PHONY: test-faults
test-faults: ## every fault scenario, three seeds each, on three brokers: docs/fault-report.md; SCENARIO=F6 SEED=7 for one
	@SCENARIO='$(SCENARIO)' SEED='$(SEED)' SEEDS='$(SEEDS)' MUTANT='$(MUTANT)' SERVICE_ENV='$(SERVICE_ENV)' scripts/test faults

.PHONY: test-simulation
test-simulation: ## 100,000 seeded schedules of the runtime, optimised: crashes, zombies, lost answers, restores; SCHEDULES=… of each kind
	@SCHEDULES='$(SCHEDULES)' FIRST='$(FIRST)' scripts/test simulation

.PHONY: test-mutants
test-mutants: ## rules broken one at a time, each to be noticed: killed / planted; REAL=yes in real processes, by fault scenarios
	@REAL='$(REAL)' MUTANT='$(MUTANT)' scripts/test mutants

.PHONY: fuzz
fuzz: ## fuzz everything that reads bytes, each target for FUZZ_SECONDS (10); TARGETS=… picks some
	@scripts/fuzz $(TARGETS)

.PHONY: lint
lint: ## formatting, clippy, licences and bans, shell syntax
	@scripts/lint

.PHONY: stack-up
stack-up: ## start Kafka, registry, PostgreSQL and Odoo; see scripts/stack --help
	@scripts/stack up

.PHONY: stack-down
stack-down: ## stop them; data stay
	@scripts/stack down

.PHONY: clean
clean: ## stop and forget every instance of the stack in this checkout, and remove what was built
	@scripts/clean
