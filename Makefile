# A fresh machine needs Python 3.11 or newer, pip, git and make; nothing else.
#   make demo     install, price ResNet-50 on the example chip, say where the report is
#   make test     the default tests       make lint      style and types
#   make slow     the long tests          make browser   the report in a real browser
#   make fuzz     mutated network files, for SECONDS=3600
#   make test-optional   the tests against PyTorch and ONNX Runtime where they are installed
PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
SECONDS ?= 3600
SEED ?= 1

BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
VENV_STAMP := $(VENV)/.created
PACKAGE := pyproject.toml constraints.txt
DEMO_REPORT := reports/resnet50-protonic_256

# One BLAS thread for each worker: more of them only wait for each other.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help install dev demo test test-optional lint format slow browser fuzz marked clean

help:
	@sed -n '1,/^PYTHON/s/^# \{0,1\}//p' Makefile

$(VENV_STAMP):
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(RUN_STAMP): $(PACKAGE) | $(VENV_STAMP)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(DEV_STAMP): $(PACKAGE) | $(VENV_STAMP)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@ $(RUN_STAMP)

install: $(RUN_STAMP)

dev: $(DEV_STAMP)

demo: $(RUN_STAMP)
	$(BIN)/archsim run resnet50 --arch protonic_256 --gpu h100 --out $(DEMO_REPORT)
	@test -s $(DEMO_REPORT)/report.html

test: $(DEV_STAMP)
	$(BIN)/python -m pytest -q -n $(WORKERS)

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DEV_STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# pytest exits 5 when it finds no test with the mark, which is no failure.
define run_marked
$(BIN)/python -m pytest -q -n $(WORKERS) -m $(1) || { code=$$?; \
	if [ $$code -eq 5 ]; then echo "no test is marked '$(1)'"; else exit $$code; fi; }
endef

slow: $(DEV_STAMP)
	$(call run_marked,slow)

browser: $(DEV_STAMP)
	$(call run_marked,browser)

# Libraries that archsim does not need, each the independent method of some tests, which are marked
# with its name.
test-optional: $(DEV_STAMP)
	@for name in torch onnxruntime; do \
		if $(BIN)/python -c "import $$name" 2>/dev/null; then \
			$(MAKE) --no-print-directory marked MARK=$$name || exit $$?; \
		else \
			echo "$$name is not installed, so its tests are left out:" \
				"$(BIN)/python -m pip install $$name"; \
		fi; \
	done

marked:
	$(call run_marked,$(MARK))

fuzz: $(DEV_STAMP)
	$(BIN)/python -m tests.fuzz.fuzz_importer --seconds $(SECONDS) --seed $(SEED)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find archsim tests -name __pycache__ -type d -prune -exec rm -rf {} +
