# Thin on purpose: every line is a command that works by itself in .venv.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-containers test-gpu lint format bench bench-gpu clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Each process of pytest has servers of its own, about 1 GiB with all. Lost processes end the run.
# Files in the order of tests/fixtures/order.py, not by how many tests they have.
SPREAD := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
	--max-worker-restart 0
EXTRAS := edge,s3,gate,worker-cpu,models,sinks,stack,dev

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 14

setup: $(VENV)/.ready ## Make .venv with everything in it

$(VENV)/.ready: pyproject.toml constraints.txt
	@echo "setup: a virtual environment in $(VENV) with the versions of constraints.txt"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "setup: Python 3.11 or newer is needed; name one: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

demo: setup ## The whole line on real video, live (ARGS="--seconds 45")
	@$(BIN)/onehertz demo $(ARGS)

test: lint ## All checks and tests; gets and starts the servers that they need
	@echo "test: on a real Kafka and a real PostgreSQL"
	@$(BIN)/python -m tests.fixtures.compiler
	@$(BIN)/python -m tests.fixtures.gstreamer
	@$(BIN)/python -m tests.fixtures.helm
	@$(BIN)/python -m pytest $(SPREAD) $(ARGS)

test-containers: setup ## The same on containers; needs a Docker engine, compose, and their images
	@echo "test-containers: needs a Docker engine on this machine, docker compose (or docker-compose),"
	@echo "  and the images apache/kafka, timescale/timescaledb (or postgres) and python:3.11-slim-bookworm;"
	@echo "  pulls none of the first two, builds ours, takes about 12 minutes, and a skip tells what is missing."
	@$(BIN)/python -m pytest --containers tests/containers
	@$(BIN)/python -m pytest $(SPREAD) tests/runtime tests/sinks tests/end_to_end tests/faults

# PYTHON_GPU: on a machine where nothing can be installed, the Python that has TensorRT (docs/gpu.md).
PYTHON_GPU ?= $(BIN)/python
test-gpu: ## What only a real GPU can prove, ten minutes of load among it (ARGS="--seconds 60")
	@echo "test-gpu: needs an NVIDIA GPU, TensorRT and PyCUDA, and the models of benchmarks.gpu.models;"
	@echo "  it says what is missing; what it finds goes into docs/gpu.md."
	@$(PYTHON_GPU) -m pytest --gpu --confcutdir tests/gpu tests/gpu -rs $(ARGS)

lint: setup ## ruff and mypy (strict), as TensorRT 11 and as 10
	@echo "lint: ruff, mypy"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --always-true TENSORRT_11
	@$(BIN)/mypy --always-false TENSORRT_11 --cache-dir .mypy_cache/tensorrt-10 -p inference_worker.backends

format: setup ## Let ruff format and mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup ## Measure; results in benchmarks/results.json
	@$(BIN)/python -m benchmarks $(ARGS)

bench-gpu: ## Measure on a GPU; results in benchmarks/gpu/results and docs/gpu.md
	@$(PYTHON_GPU) -m benchmarks.gpu $(ARGS)

clean: ## Stop the embedded stack; remove .venv, caches and data of this checkout
	@if [ -x $(BIN)/onehertz ]; then $(BIN)/onehertz down; fi
	@rm -rf $(VENV) .onehertz .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
