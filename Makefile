# UnionEyes production operations. `make` alone lists what there is.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?=
KEEP ?= 1
BROWSER ?= auto
WORKERS ?= 2
UPGRADE ?= 0
COOLDOWN ?= 7 days
BENCH ?= *
REQUESTS ?= 100000
SWITCHES ?= 10
FAULTS ?= 5
OPTIONS ?=
DRILLS ?=
NODES ?= 1
SUITES ?=
WITH ?=
WITHOUT ?=
IMAGE ?=
BASE ?=
VERSION ?=
PUSH ?=
INSECURE ?= 0
VERSITYGW := v1.8.0

BIN := .venv/bin
TIERS := lint types licences unit contract compat drills transcripts browser
CODE := src tests $(wildcard bench) .ci k8s/images
TYPED := src tests $(wildcard bench) $(wildcard .ci/*.py)
REPORTS := .cache/tests

comma := ,
cluster = $(BIN)/python -m tests.kubernetes.cluster
record = $(BIN)/python bench/measured.py $(1) --title '$(2)' --command 'make $@$(if $(DRILLS), DRILLS=$(DRILLS))'
pytest = $(BIN)/pytest tests/$(1) --quiet -m "not campaign" --numprocesses $(WORKERS) --dist $(or $(2),loadfile) --junit-xml=$(REPORTS)/$(1).xml

.PHONY: help setup demo demo-kubernetes test $(TIERS) record-drills campaign fuzz bench bench-kubernetes bench-kubernetes-scale drill-faults object-store image kubernetes-up kubernetes-down kubernetes-status test-kubernetes fmt hooks lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-23s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\n'; printf '  %s\n' 'PYTHON=/path/to/python3   the interpreter to use (3.11 to 3.14; default: the newest found)' \
		'KEEP=0                    stop the stack when the demo has ended' \
		'BROWSER=no|yes            leave the browser tests out; or fail where they cannot run' \
		'WORKERS=2                 tests at the same time' \
		'BENCH=switch              the one that `make bench` runs: $(patsubst bench/bench_%.py,%,$(wildcard bench/bench_*.py))' \
		'DRILLS=kills              the part of the drills that `make campaign` runs: $(patsubst tests/drills/%/,%,$(sort $(dir $(shell grep -rl --include='test_*.py' mark.campaign tests/drills))))' \
		'NODES=2                   how many nodes `make kubernetes-up` starts' \
		"SUITES='drills adapters'   what of tests/kubernetes \`make test-kubernetes\` runs" \
		'WITH=kwok WITHOUT=gateway which parts beside its usual ones, and which of these not' \
		'IMAGE=service             the one that `make image` builds; or control-plane' \
		'BASE=python:3.13-slim     what it is based on: Python 3.11 to 3.14' \
		'VERSION=1.1.0             the version of the service' \
		'PUSH=registry/name        push it there, and print its digest (INSECURE=1: by plain HTTP)' \
		'REQUESTS=100000 SWITCHES=10 FAULTS=5 OPTIONS="--ways ours argo"  what `make bench-kubernetes` measures' \
		'UPGRADE=1                 let `make lock` take newer releases that are at least COOLDOWN old (7 days)'

setup: ## Make .venv from the locks (quick when nothing changed)
	@PYTHON='$(PYTHON)' .ci/setup

demo: setup ## Show the main job: deploy under load, then roll a faulty release back
	@$(BIN)/ue rehearse demo $(if $(filter 0,$(KEEP)),--no-keep,--keep)

demo-kubernetes: setup ## Show the same with the service on a real Kubernetes that this machine runs (root)
	@$(BIN)/ue rehearse demo --env cluster-test $(if $(filter 0,$(KEEP)),--no-keep,--keep)

test: setup ## Run every tier of tests and print one summary
	@BROWSER='$(BROWSER)' WORKERS='$(WORKERS)' $(BIN)/python .ci/tiers.py $(TIERS)

lint: setup ## Check style, import layers and dependencies
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry --no-ansi .

types: setup ## Check types (mypy --strict)
	$(BIN)/mypy $(TYPED)

licences: setup ## Check that every dependency may be shipped with an Apache-2.0 product
	$(BIN)/python .ci/licences.py requirements/runtime.txt

unit: setup ## Test rules and values, without a server
	$(call pytest,unit)

contract: setup ## Test every adapter against its port's contract, on real servers
	@.ci/postgresql-15
	@.ci/barman
	$(call pytest,contract)

compat: setup ## Test the previous release on the new schema
	$(call pytest,compat)

drills: setup ## Rehearse whole flows and bad days on the embedded stack
	@.ci/barman
	$(call pytest,drills)

record-drills: setup ## Keep which runbooks the last `make drills` drilled, in docs/measured/drills.json
	@$(BIN)/python bench/drilled.py $(REPORTS)/drills.xml

transcripts: setup ## Run what the pages say people type, and compare what it prints
	$(call pytest,transcripts,worksteal)

image: setup ## Build the images of the service and of the control plane (buildah or docker), with what is in them beside (.cache/images/*.cdx.json)
	@$(BIN)/python .ci/images.py $(IMAGE) $(BASE:%=--base=%) $(VERSION:%=--version=%) $(PUSH:%=--push=%) $(if $(filter 1,$(INSECURE)),--insecure)

kubernetes-up: setup ## Start a real Kubernetes on this machine (root; NODES=2), and print its kubeconfig
	@$(cluster) up --nodes $(NODES) --with $(WITH) --without $(WITHOUT)

kubernetes-down: setup ## End it; nothing of it is left
	@$(cluster) down

kubernetes-status: setup ## Show what of it runs
	@$(cluster) status

test-kubernetes: setup ## Test on a real Kubernetes: our own, or that of KUBECONFIG=/path
	$(if $(findstring command,$(origin KUBECONFIG)),UE_TEST_KUBECONFIG='$(KUBECONFIG)') $(BIN)/pytest $(or $(SUITES:%=tests/kubernetes/%),tests/kubernetes) --quiet --junit-xml=$(REPORTS)/kubernetes.xml

browser: setup ## Test the console in Chromium
	@.ci/chromium
	$(call pytest,browser)

campaign: setup ## Run the drills that take longer than `make test` may
	@rm -rf .cache/kills; \
	$(BIN)/pytest tests/drills/$(DRILLS) --quiet -m campaign --numprocesses $(WORKERS) --dist load --maxschedchunk 1 --junit-xml=$(REPORTS)/campaign.xml; ended=$$?; \
	if [ -d .cache/kills ]; then cat .cache/kills/*.txt | $(call record,kills,The worker is killed and stopped at each step boundary$(comma) under load); fi; \
	$(BIN)/python bench/drilled.py $(REPORTS)/campaign.xml; \
	$(BIN)/python bench/drills.py $(REPORTS)/campaign.xml | $(call record,campaign$(DRILLS:%=-%),The drills of the campaign); exit $$ended

fuzz: setup ## Ask both APIs whatever their descriptions allow and forbid, and Barman the whole contract of recovery: more than `make test` may
	@.ci/barman
	$(BIN)/pytest tests/contract --quiet -m campaign --numprocesses $(WORKERS) --dist loadfile --junit-xml=$(REPORTS)/fuzz.xml

bench: setup ## Measure what was promised; results stand in docs/measured/
	@ended=0; for bench in bench/bench_$(BENCH).py; do printf '\n%s\n' "$$bench"; $(BIN)/python "$$bench" || ended=1; done; exit $$ended

bench-kubernetes: setup ## Measure switches on a real Kubernetes beside Argo Rollouts, Flagger and plain kubectl (root, Go)
	@PYTHONPATH='$(CURDIR)' $(BIN)/python bench/kubernetes_switch.py --requests $(REQUESTS) --switches $(SWITCHES) --faults $(FAULTS) $(OPTIONS)

bench-kubernetes-scale: setup ## Measure commands and the control plane on a hundred nodes and a thousand pods (root, Go)
	@PYTHONPATH='$(CURDIR)' $(BIN)/python bench/kubernetes_scale.py

drill-faults: setup ## Roll every shipped fault out, and print the time from fault to good
	@mkdir -p .cache; $(BIN)/ue rehearse faults --to .cache/faults.txt; ended=$$?; cat .cache/faults.txt; \
	$(call record,faults,From fault to good$(comma) as a client outside saw it) <.cache/faults.txt; exit $$ended

object-store: setup ## Test what keeps objects on a second S3 server, versitygw (takes Go, which builds it)
	@test -x .cache/versitygw-$(VERSITYGW)/versitygw || GOBIN='$(CURDIR)/.cache/versitygw-$(VERSITYGW)' go install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW)
	@UE_TEST_VERSITYGW='$(CURDIR)/.cache/versitygw-$(VERSITYGW)/versitygw' $(BIN)/pytest tests/contract/witness tests/contract/backups/test_stores.py --quiet --junit-xml=$(REPORTS)/object-store.xml; ended=$$?; \
	$(BIN)/python bench/drills.py $(REPORTS)/object-store.xml | $(call record,object-store,Checkpoints and backups on versitygw $(VERSITYGW)$(comma) an S3 server); exit $$ended

fmt: setup ## Format the code and apply the safe fixes
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

hooks: setup ## Check each commit before it is made (prek)
	$(BIN)/prek install

lock: ## Write the locks anew from pyproject.toml
	@PYTHON='$(PYTHON)' UPGRADE='$(UPGRADE)' COOLDOWN='$(COOLDOWN)' .ci/lock

clean: ## Remove what was built and measured here; .venv stays
	rm -rf .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find src tests -name __pycache__ -prune -exec rm -rf {} +
