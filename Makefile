# Phi Desk: `make run` starts the app, `make test` checks everything. Both build .venv first when it is missing.
.PHONY: run test check install install-dev format messages lock base-model bench clean
PY := .venv/bin/python
PYTHON3 := $(shell command -v python3 || command -v python)
PORT ?=
# three workers on two cores: much of the time is waiting, for sockets, pages and processes
PYTEST_ARGS ?= -n 3 --dist loadfile --no-loadscope-reorder

run: install
	@$(PY) -m streamlit_app $(if $(PORT),--port $(PORT),)

install:
	@test -n "$(PYTHON3)" || { echo "phidesk: no python3 found. Install Python 3.11, 3.12 or 3.13 first."; exit 1; }
	@$(PYTHON3) scripts/install.py

install-dev:
	@test -n "$(PYTHON3)" || { echo "phidesk: no python3 found. Install Python 3.11, 3.12 or 3.13 first."; exit 1; }
	@$(PYTHON3) scripts/install.py --dev

check: install-dev
	@$(PY) -m ruff format --check . && $(PY) -m ruff check . && $(PY) -m mypy && .venv/bin/lint-imports && $(PY) scripts/messages.py --check

test: check
	@$(PY) -m pytest $(PYTEST_ARGS)

format: install-dev
	@$(PY) -m ruff format . && $(PY) -m ruff check --fix .

messages: install-dev   # collects the interface texts for translators
	@$(PY) scripts/messages.py

lock: install-dev       # resolves pyproject.toml into the two requirements files
	@$(PY) scripts/lock.py

base-model: install     # makes the built-in base model anew, from nothing (an hour on two cores)
	@OMP_WAIT_POLICY=PASSIVE $(PY) -m backend.local.base_model.train --output backend/local/base_model/weights

bench: install-dev
	@$(PY) -m benchmarks

clean:
	rm -rf .venv .venv.lock .azurite test-artefacts *.egg-info
