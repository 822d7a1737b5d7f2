# Two commands matter: `cargo run --release -- demo` and `make test`.
#
# test    everything that must be true of a commit: style, lints, licences, unit, property, simulation, black box, docs
# setup   what the tests need from Debian and PyPI (asked for once; needs root or sudo for the Debian part)
# bench   what is measured (never part of `test`)
# soak    what runs long
# fuzz    coverage-guided fuzzing of the parsers

VENV := $(CURDIR)/.venv
export SLUICEGATE_TEST_PYTHON := $(VENV)/bin/python

.PHONY: test setup fmt clippy unit docs bench soak fuzz clean

test: setup fmt clippy unit docs
	@echo "make test: all green"

setup:
	tests/setup.sh $(VENV)

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets -- -D warnings

# The binary is built first: the black-box tests start the real one.
unit:
	cargo build --bin sluicegate
	cargo test --workspace

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

bench:
	cargo bench --bench path

soak:
	SLUICEGATE_SEEDS=20000 cargo test --release --test sluicegate-tests simulation -- --nocapture

# Needs a nightly toolchain and cargo-fuzz; ten minutes a target unless FUZZ_SECONDS says otherwise.
FUZZ_SECONDS ?= 600
fuzz:
	cargo +nightly fuzz run --fuzz-dir fuzz modbus_peer -- -max_total_time=$(FUZZ_SECONDS)
	cargo +nightly fuzz run --fuzz-dir fuzz modbus_device -- -max_total_time=$(FUZZ_SECONDS)

clean:
	cargo clean
	rm -rf $(VENV)
