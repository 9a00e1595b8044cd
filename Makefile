# A thin line over Python commands; `make help` prints them.
PYTHON ?= python3
PORT ?= 8501
BENCH ?= odd_pictures
ARGS ?=
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test lint audit sbom bench indexes clean

help:
	@echo "make demo    the app on 2,000 rendered pictures, on port $(PORT) or the next free one; PORT=8600 chooses"
	@echo "make test    every test, two at a time; ARGS='-k search' chooses some"
	@echo "make lint    style and types"
	@echo "make audit   installed packages against the list of known holes; fails when that list cannot be reached, unless ARGS=\"--excused 'WHY'\""
	@echo "make sbom    what is installed as build/sbom.json (CycloneDX), for scanners and auditors"
	@echo "make bench   python -m benchmarks.$(BENCH); BENCH=NAME chooses another, ARGS passes on"
	@echo "make indexes the optional libraries that compare-indexes measures; what cannot be built here is passed over"
	@echo "make clean   remove $(VENV) and caches; galleries and all else under data/ stay"
	@echo
	@echo "Without make (Windows: py -3.11 and .venv\\Scripts\\python instead of python3 and .venv/bin/python):"
	@echo "  python3 -m venv .venv"
	@echo "  .venv/bin/python -m pip install -r requirements.txt"
	@echo "  .venv/bin/python -m pipeline demo --port $(PORT)"
	@echo "  .venv/bin/python -m pip install -r requirements-dev.txt"
	@echo "  .venv/bin/python -m pytest -rs"

demo: $(VENV)/installed
	@$(PY) -m pipeline demo --port $(PORT) $(ARGS)

test: $(VENV)/installed-dev
	$(PY) -m pytest -rsR $(or $(ARGS),-n 2 --dist loadfile)

lint: $(VENV)/installed-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

audit: $(VENV)/installed-dev
	@$(PY) -m deploy.audit $(ARGS)

sbom: $(VENV)/installed-dev
	@mkdir -p build
	@$(PY) -m cyclonedx_py environment --of JSON --output-reproducible -o build/sbom.json $(PY)
	@echo build/sbom.json

bench: $(VENV)/installed-dev
	$(PY) -m benchmarks.$(BENCH) $(ARGS)

indexes: $(VENV)/installed-indexes

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +

# The stamps are newer than the list they were installed from, so a second run asks pip nothing.
$(VENV)/installed: requirements.txt | $(VENV)/bin/python
	@echo "installing what requirements.txt lists; the first time this takes minutes and about 6 GB with CUDA's libraries"
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt requirements-training.txt $(VENV)/installed
	@echo "installing what requirements-dev.txt lists"
	@$(PIP) -r requirements-dev.txt
	@touch $@

$(VENV)/installed-indexes: requirements-indexes.txt $(VENV)/installed
	@sed 's/ *#.*//' requirements-indexes.txt | grep . | while read -r one; do \
		$(PIP) "$$one" || echo "passed over: $$one"; done
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else \
		f"Semblance needs Python 3.11 or newer and $(PYTHON) is {v.major}.{v.minor}; choose one: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "no virtual environment could be made; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
