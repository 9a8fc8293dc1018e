# Everything that is run by hand or by CI. Each target makes what it needs; nothing has to be installed into .venv by hand.
#   make demo    the demonstration: three hosts, a spine, pods that ping and move (no root needed)
#   make test    all tests; the labs against FRR, GoBGP, BIRD and ExaBGP among them need root
#   make containerlab [TOPOLOGY=name]    the topologies of containerlab/, deployed for real (needs Docker and containerlab)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help venv demo test test-unit test-interop matrix containerlab lint format docs bench clean
help:
	@echo 'make demo   pods on three hosts ping each other over EVPN, and one moves (no root needed)'
	@echo 'make test   all tests: units, kernel, interop labs (installs what the labs lack when run as root)'
	@echo 'make containerlab [TOPOLOGY=name]   deploy, check and destroy the topologies of containerlab/ with Docker'
	@echo 'make venv   .venv/bin/evpnd and .venv/bin/evpnctl'
	@echo 'make lint   mypy and ruff;  make format: let ruff rewrite'
	@echo 'make docs   write docs/configuration.md and docs/commands.md anew, from the schema and the commands'
	@echo 'make matrix run the labs and write docs/interop.md: what was shown with which peer'
	@echo 'make bench  evpnd beside FRR, BIRD and other codecs;  make clean: remove .venv and caches'

venv: $(VENV)/.runs
$(VENV)/.runs: pyproject.toml
	@./interop/venv $(PYTHON) $(VENV)
	@echo 'installing evpnd into $(VENV)'
	@$(BIN)/python -m pip install -q -e '.[uvloop]' || $(BIN)/python -m pip install -q -e .
	@touch $@

$(VENV)/.develops: $(VENV)/.runs
	@echo 'installing what the tests need into $(VENV)'
	@$(BIN)/python -m pip install -q -e '.[test,dev]'
	@touch $@

demo: $(VENV)/.runs
	@$(BIN)/evpnd demo

test: test-unit test-interop

# What asks tshark needs a package, so it goes with the labs, which install what they lack.
TSHARK := tests/bgp/test_tshark.py

test-unit: $(VENV)/.develops
	@./interop/rootless $(BIN)/python -m pytest -q --durations=5 tests --ignore=$(TSHARK)

test-interop: $(VENV)/.develops
	@EVPND_MATRIX=check ./interop/setup --as-root $(BIN)/python -B -m pytest -q --durations=5 -p no:cacheprovider interop $(TSHARK)

matrix: $(VENV)/.develops
	@EVPND_MATRIX=write ./interop/setup --as-root $(BIN)/python -B -m pytest -q -p no:cacheprovider interop

# Needs no package, so it runs from a fresh clone. OPTIONS: --keep, --delay S, --logs DIR.
containerlab:
	@$(PYTHON) -B -m interop.containerlab $(OPTIONS) $(TOPOLOGY)

lint: $(VENV)/.develops
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --explicit-package-bases -p interop -p tests

format: $(VENV)/.develops
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .

docs: $(VENV)/.runs
	$(BIN)/python -m evpnd.reference configuration >docs/configuration.md
	$(BIN)/python -m evpnd.reference commands >docs/commands.md

bench: $(VENV)/.develops
	@./interop/setup --as-root $(BIN)/python -m interop.bench $(BENCH)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
