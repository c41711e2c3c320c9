# Every target does the set-up it needs: a virtual environment in .venv, made once.
PYTHON ?= python3
BIN := .venv/bin
CODE := src conf tests benchmarks

help:            ## list the targets
	@grep -E '^[a-z0-9-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

install: .venv/ready  ## set up .venv with gan and what its development needs

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

demo: .venv/ready  ## train on digits for a few minutes, and say where the pictures are
	$(BIN)/gan train
	$(BIN)/gan sample weights=ema

test: .venv/ready  ## the tests, in minutes; those on MNIST run where GAN_DATA has it
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --dist worksteal

test-slow: .venv/ready  ## the tests that train for minutes
	$(BIN)/pytest -m slow

lint: .venv/ready  ## ruff and mypy
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy

format: .venv/ready  ## put the code in ruff's format
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

table1: .venv/ready  ## train and evaluate the paper's Table 1 on MNIST, into results/: hours on 2 cores
	$(BIN)/gan train -m sweep=table1
	$(BIN)/gan table1 sweep=table1 results=results

bench: .venv/ready  ## speed as ratios, also of sweeps and start-up, and what checkpoints cost; MNIST under GAN_DATA
	$(BIN)/gan bench
	$(BIN)/python benchmarks/start_up.py
	$(BIN)/python benchmarks/parzen.py
	$(BIN)/python benchmarks/checkpoints.py
	$(BIN)/python benchmarks/sweep.py

clean:           ## remove .venv, caches and builds; outputs and data stay
	rm -rf .venv build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache

.PHONY: help install demo test test-slow lint format table1 bench clean
