# Each target sets up what it needs, in .venv, and nothing outside the repository but the cache of weights.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
PHOTO := examples/photos/citrus.jpg
# More words for pytest: make test PYTEST=tests/io
PYTEST ?=
# Processes that tests run in, a file of tests in each: make test WORKERS=1
WORKERS ?= 2
SIDE_BY_SIDE := -n $(WORKERS) --dist loadfile

.PHONY: help demo test slow soak reference browser tools tool-environments bench lint docs pictures fuzz licences man release-check format clean

help:
	@echo "make demo       set up and segment the example photo; prints where the pictures are"
	@echo "make test       set up and run the tests (no PyTorch needed)"
	@echo "make slow       the tests that take long: real kills (SOAK_SEED=1), many clients, whole notebooks"
	@echo "make soak       the server with everything at once, for ten minutes (MINUTES=10)"
	@echo "make reference  compare with the official PyTorch code (installs torch)"
	@echo "make browser    drive the browser application in Chromium (Debian: apt-get install chromium)"
	@echo "make tools      use Label Studio, X-AnyLabeling, JupyterLab, FiftyOne and rembg with anymask (installs them)"
	@echo "make bench      side-by-side speed against the official code and other tools, as ratios (installs them)"
	@echo "make lint       ruff, types of the code and of the documentation's programs, spelling"
	@echo "make docs       build the documentation into site/"
	@echo "make pictures   make the documentation's pictures again"
	@echo "make fuzz       look for inputs that break readers (SECONDS=600)"
	@echo "make licences   check the licences of all that an installation brings"
	@echo "make man        write man pages into build/man"
	@echo "make release-check  build, install and use sdist and wheel for each Python that is here"
	@echo "make clean      remove .venv and what was built"

demo: $(VENV)/.installed
	$(BIN)/anymask segment $(PHOTO) --point 750,640 --out anymask-out/click
	$(BIN)/anymask segment $(PHOTO) --box 192,262,628,674 --out anymask-out/box
	@echo "Look at anymask-out/click/overlay.png (a click on a slice of orange) and anymask-out/box/overlay.png (a box around a slice of grapefruit)."

test: $(VENV)/.test
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(PYTEST)

slow: $(VENV)/.test $(VENV)/.containers
	$(BIN)/python -m pytest -m slow $(SIDE_BY_SIDE) $(PYTEST)

reference: $(VENV)/.test $(VENV)/.reference
	$(BIN)/python -m pytest -m reference $(SIDE_BY_SIDE) tests/reference tests/benchmarks

browser: $(VENV)/.test $(VENV)/.browser
	$(BIN)/python -m pytest -m browser tests/browser

TOOLS := fiftyone jupyter label-studio rembg x-anylabeling
tools: $(VENV)/.test $(VENV)/.browser tool-environments
	$(BIN)/python -m pytest -m tools tests/integrations

tool-environments: $(TOOLS:%=$(VENV)/tools/%/.installed)

bench: $(VENV)/.reference
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.peers

lint: $(VENV)/.test $(VENV)/.lint
	$(BIN)/ruff check src tests benchmarks training release
	$(BIN)/ruff format --check src tests benchmarks training release
	$(BIN)/mypy
	$(BIN)/python docs/programs.py build/programs
	$(BIN)/mypy --strict --allow-redefinition build/programs
	$(BIN)/basedpyright --level error --pythonpath $(BIN)/python
	$(BIN)/codespell

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

pictures: $(VENV)/.test $(VENV)/.browser
	$(BIN)/python docs/make_pictures.py
	$(BIN)/python docs/make_tool_pictures.py
	PYTHONPATH=. $(BIN)/python docs/make_browser_pictures.py

MINUTES ?= 10
soak: $(VENV)/.test
	SERVER_SOAK_SECONDS=$$(( $(MINUTES) * 60 )) $(BIN)/python -m pytest -m slow tests/server/test_soak.py

SECONDS ?= 600
SEED ?= 0
fuzz: $(VENV)/.test $(VENV)/.fuzz
	$(BIN)/python -m tests.fuzz.run_fuzz --seconds $(SECONDS) --seed $(SEED)

licences: $(BIN)/python
	$(BIN)/python release/licences.py

man: $(VENV)/.installed
	$(PIP) "click-man>=0.5"
	$(BIN)/python release/man_pages.py build/man

release-check: licences
	$(BIN)/python release/check.py

format: $(VENV)/.lint
	$(BIN)/ruff check --fix src tests benchmarks training release
	$(BIN)/ruff format src tests benchmarks training release

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade "pip>=25.1"

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "Installing anymask into $(VENV) …"
	$(PIP) --editable .
	@touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.installed
	$(PIP) --group test
	$(PIP) --no-deps --group readers
	@touch $@

$(VENV)/.lint $(VENV)/.browser $(VENV)/.containers $(VENV)/.docs $(VENV)/.fuzz: $(VENV)/.%: pyproject.toml $(VENV)/.installed
	$(PIP) --group $*
	@touch $@

$(VENV)/tools/%/.installed: pyproject.toml | $(BIN)/python
	@echo "Installing $* into $(@D) …"
	$(PYTHON) -m venv $(@D)
	$(BIN)/python -m pip --disable-pip-version-check --python $(@D)/bin/python install --quiet --group tool-$*
	@touch $@

$(VENV)/.reference: pyproject.toml $(VENV)/.installed
	$(PIP) --group reference
	$(PIP) --no-deps --group official  # it asks for a torchvision that does not fit; the tests bring what it needs
	$(PIP) setuptools
	SAM2_BUILD_CUDA=0 $(PIP) --no-deps --no-build-isolation --group official-sam2
	@touch $@

clean:
	rm -rf $(VENV) .cache anymask-out dist build .mypy_cache .ruff_cache .hypothesis
