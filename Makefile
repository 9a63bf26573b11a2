# The commands of the repository. Each makes what it needs, on a machine that has only Python >= 3.11 and pip.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: install demo test test-fast test-engine test-cluster test-chaos lint

# Everything into .venv, on CPUs.
install: $(READY)

# The whole loop on the miniature; prints where the report lies.
demo: $(READY)
	$(BIN)/oars align --profile deploy/profiles/tiny.yaml

# Every layer of tests that two CPU cores can run, two at a time: tests with a cluster often wait on one core, and take
# longest, so they begin first. Chaos has deadlines: it runs alone.
test: $(READY)
	$(MAKE) --jobs=2 --keep-going test-cluster test-fast test-engine
	$(MAKE) test-chaos

# The layers without a cluster or an engine: pure logic, and parity with libraries and published formulas. Four minutes.
test-fast: $(READY)
	$(BIN)/python -m pytest -m "(unit or parity) and not engine"

# Tests of every layer that start vLLM engines, or clusters in processes, of their own.
test-engine: $(READY)
	$(BIN)/python -m pytest -m "engine and not gpu"

# The layer with a cluster.
test-cluster: $(READY)
	$(BIN)/python -m pytest -m "cluster and not engine and not chaos and not gpu"

# What is killed with kill -9.
test-chaos: $(READY)
	$(BIN)/python -m pytest -m "chaos and not engine and not gpu and not chaos_long"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Plain venv and pip. The metric packages ask for old or heavy things that their part we use does not need.
$(READY): pyproject.toml deploy/python/pyproject.toml constraints.txt requirements/metrics.txt requirements/enhancers.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[cpu,dev]" ./deploy/python
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements/metrics.txt \
		--requirement requirements/enhancers.txt
	touch $@
