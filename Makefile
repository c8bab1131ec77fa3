# `make help` lists what there is. Every target sets up what it needs first.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

FULL := .venv
LIGHT := .venv-light
BIN := $(FULL)/bin
OUT ?= out
GATE := not torture and not gpu
# By name, so that these few files are collected and not all
ALONE = $(shell grep -rl --include='test_*.py' 'pytest.mark.alone' tests)
# Those that run the real pipelines of diffusers are slow under coverage, and no theory's branch needs
# them: they run with the others
PURE = $(filter-out $(wildcard tests/theory/*_against_*.py), $(wildcard tests/theory/test_*.py))
EVIDENCE := docs/evidence
# A full environment serves the reproduction as well; a bare clone builds only the light one.
PAPER := $(if $(wildcard $(FULL)/.ready),$(FULL),$(LIGHT))
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Bytecode is kept, as on a user's machine: without it each of the hundreds of processes that the
# tests start compiles what it imports (torch: six seconds, not one)
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(FULL)/.ready: requirements.lock pyproject.toml
	scripts/make_venv.sh full $(FULL)

$(LIGHT)/.ready: requirements.lock pyproject.toml
	scripts/make_venv.sh light $(LIGHT)

.PHONY: setup
setup: $(FULL)/.ready  ## the environment with every extra and tool

# First what needs one core: the tests that compare times, and beside them one thing after another.
# Then the tests that share both
.PHONY: test
test: setup  ## the whole gate: format, lint, types, imports, tests, docs
	$(MAKE) -j2 --output-sync=target alone types theory blocks docs lint browser
	$(MAKE) others

.PHONY: lint
lint: setup  ## format, lint and the order of imports
	ruff format --check .
	ruff check .
	lint-imports --no-logo

.PHONY: types
types: setup  ## mypy --strict
	mypy

.PHONY: tests
tests: alone theory blocks others  ## tests and the code blocks of README and docs, with coverage of the theory

.PHONY: theory
theory: setup
	pytest $(PURE) --cov --cov-report=
	python scripts/branch_coverage.py kinowatt/theory 95

.PHONY: blocks
blocks: setup
	pytest -m "$(GATE)" docs README.md CONTRIBUTING.md

.PHONY: alone
alone: setup
	pytest -m "alone and $(GATE)" $(ALONE)

.PHONY: others
others: setup browser
	pytest tests -m "not alone and $(GATE)" -n 2 --dist loadfile --no-loadscope-reorder \
		$(PURE:%=--ignore=%)

.PHONY: browser
browser:  ## a Chromium for the tests of the dashboard, where it may be installed
	scripts/get_chromium.sh

.PHONY: docs
docs: setup  ## the documentation as a site in site/
	zensical build --strict --clean

.PHONY: format
format: setup  ## rewrite the sources as `make lint` wants them
	ruff format .
	ruff check --fix .

.PHONY: refresh
refresh: setup  ## rewrite outputs and tables in README and docs that no longer hold
	python scripts/doc_blocks.py
	python scripts/experiments.py >/dev/null
	kinowatt reproduce -o $(OUT) >/dev/null
	kinowatt validate -o $(OUT)/validation >/dev/null
	cp $(OUT)/validation/how-good.md docs/how-good.md
	cp $(OUT)/validation/images/how-good.png docs/images/how-good.png
	cp $(OUT)/figures/figure3.png docs/images/overview.png

.PHONY: screenshots
screenshots: setup browser  ## pictures of the dashboard in docs/images/
	python scripts/screenshots.py

.PHONY: torture
torture: setup  ## what is too long for the gate (up to an hour); keeps its log
	mkdir -p $(EVIDENCE)
	pytest -m torture -v --durations=20 2>&1 \
		| sed -e 's#^rootdir: .*#rootdir: (the repository)#' -e 's#$(CURDIR)/##g' | tee $(EVIDENCE)/torture.log

# With PYTHON=python3: by that Python as it is, where torch for the GPU is already installed.
.PHONY: test-gpu
test-gpu: $(if $(PYTHON),,setup)  ## the tests that need an NVIDIA GPU; keeps its log
	PYTHONPATH="$(CURDIR)/src$${PYTHONPATH:+:$$PYTHONPATH}" \
		$(or $(PYTHON),$(BIN)/python) scripts/gpu_tests.py $(EVIDENCE)/gpu-tests.txt

.PHONY: reproduce
reproduce: $(PAPER)/.ready  ## every table and figure of the paper, into out/
	$(PAPER)/bin/kinowatt reproduce -o $(OUT)

.PHONY: bench
bench: setup  ## how fast it is, as ratios within one run
	python -m benchmarks

.PHONY: wheel
wheel: setup  ## wheel and sdist, into dist/
	hatchling build -d dist

.PHONY: audit
audit: setup  ## known vulnerabilities of every locked package (needs the network)
	python scripts/audit.py

.PHONY: lock
lock: setup  ## write requirements.lock from the environment, after `make test` passed in it
	uv pip freeze --exclude-editable | grep -v '^pip==' \
		| sed -E 's/^(torch==[0-9.]+)\+.*/\1/' > requirements.lock

.PHONY: clean
clean:  ## remove what was built; environments stay
	rm -rf dist build site $(OUT) .coverage .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache
