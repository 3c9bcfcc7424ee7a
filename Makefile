# Two commands do everything on a machine with Python >= 3.11, pip and make:
#   make demo    sets up .venv and compares NiN with AlexNet
#   make test    sets up the same way and runs all checks
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check docs man dist reports torchvision clean

demo: $(STAMP)
	$(BIN)/cnnstat compare nin alexnet

# A process a core: with threads of torch beside them they wait for each other.
test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The pages of docs/ as a site: build/site/index.html. A broken link stops it.
docs: $(STAMP)
	$(BIN)/zensical build --strict
	@echo 'build/site/index.html; with its search: $(BIN)/python -m http.server -d build/site'

# The manual page, as `man cnnstat` shows it; `make reports` writes it.
man:
	man -l docs/man/cnnstat.1

# What would be published: an sdist and a wheel, checked.
dist: $(STAMP)
	$(BIN)/python -m build --no-isolation --outdir dist
	$(BIN)/twine check --strict dist/*

# Files that the code generates and tests hold up to date.
reports: $(STAMP)
	$(BIN)/python -m tests.generated

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs,torchvision,timm,transformers,onnx,bench]'
	touch $@
	@$(MAKE) --no-print-directory torchvision

# PyPI's torchvision needs PyPI's torch; where another torch is installed, it cannot be imported.
torchvision:
	@$(BIN)/python -c 'import torchvision' 2>/dev/null || printf '%s\n' \
	  "note: import torchvision fails in $(VENV): its wheel was built for another torch" \
	  "  cnnstat runs its models all the same; for your own code, install torch and torchvision" \
	  "  from one index: https://pytorch.org/get-started"

clean:
	rm -rf $(VENV) dist build .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
