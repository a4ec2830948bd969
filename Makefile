# `make demo` and `make test` set up everything they need on a fresh Debian or Ubuntu.
# `make help` lists the rest.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARTIFACTS ?= artifacts

# Mesa draws OpenGL and Vulkan where there is no GPU; the rest is what QtWebEngine links to.
SYSTEM_PACKAGES := libegl1 libgl1 libgl1-mesa-dri libopengl0 libxkbcommon0 libxkbcommon-x11-0 \
	libnss3 libasound2 libxcomposite1 libxdamage1 libxrandr2 libxtst6 libxkbfile1 libdbus-1-3 \
	libxcb-cursor0 libfontconfig1 libvulkan1 mesa-vulkan-drivers fonts-dejavu-core fonts-inter

.PHONY: help setup system demo run test test-all test-core lint format bench clean

help:
	@echo "make demo    set up, then the whole loop on the bundled demo (a window where there is a screen)"
	@echo "make test    set up, lint, type-check and run all tests"
	@echo "make lint    ruff, mypy --strict, import contracts"
	@echo "make bench   the benchmarks, as tables"
	@echo "make format  let ruff format the code"
	@echo "make clean   remove .venv and caches"

setup: system $(READY)

system:
	@sh .ci/system-packages $(SYSTEM_PACKAGES)

$(READY): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' || \
		{ echo "Proofdesk needs Python 3.11 or newer; name one with PYTHON=/path/to/python3.11."; exit 3; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[all,dev]"
	@touch $(READY)

demo: setup
	$(BIN)/proofdesk demo

run: setup
	$(BIN)/proofdesk open

# What passes in the bare environment is not repeated in the full one.
test: setup lint
	$(MAKE) test-core ONCE="--note-passed $(PASSED)"
	$(MAKE) test-all ONCE="--without-passed $(PASSED)"

# What draws in a window is tested in one process, the rest side by side.
PARALLEL := -n auto --maxprocesses 4
PASSED := build/passed

test-all:
	$(BIN)/python -m pytest $(PARALLEL) -p tests.once $(ONCE) tests/unit tests/contract
	$(BIN)/python -m pytest tests/qt tests/e2e

# Everything outside app.ui must work where PyQt6, torch and octarine are not installed. The room
# connectome may import none of them (the import contracts say so), so its tests are not repeated.
CONNECTOME_ALONE := $(addprefix tests/unit/,connectome offline synthetic)
CORE := $(filter-out $(CONNECTOME_ALONE),$(wildcard tests/unit/[a-z]*)) \
	$(addprefix tests/contract/test_,$(addsuffix .py,cave_history concurrency language_models \
	links object_facts split_colors starting))

test-core:
	$(BIN)/python -m pytest $(PARALLEL) -p tests.absent -p tests.once $(ONCE) -p no:pytest-qt -m "not render" $(CORE)

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format:
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/proofdesk bench all

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
