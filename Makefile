# The checks of the project. One profile for everything: candle is compiled once.
CARGO ?= cargo
# Texts run side by side; candle's own pool inside each of them would only cost time. See src/candle_backend.
export CANDLE_NUM_THREADS ?= 1

.PHONY: check fmt clippy test doc bench expected

check: fmt clippy test doc

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --release --all-targets -- -D warnings
	$(CARGO) clippy --release -p nearsort --no-default-features --lib -- -D warnings
	$(CARGO) clippy --release -p nearsort-server --all-targets -- -D warnings

# The real model is fetched on the first run (the hub, else pip); without it the tests fail.
test:
	$(CARGO) test --release -p nearsort-server
	$(CARGO) test --release

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
