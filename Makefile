# Two commands matter: `cargo run --release -- demo` and `make test`.
#
# test    everything that must be true of a commit: style, lints, licences, unit, property, simulation, black box, coverage, cost, docs
# setup   what the tests need from Debian and PyPI (asked for once; needs root or sudo for the Debian part)
# deb     the Debian package, in target/debian (PROFILE=dev: quickly; TARGET=aarch64-unknown-linux-gnu: for arm64)
# bench   what is measured (never part of `test`)
# soak    what runs long
# fuzz    coverage-guided fuzzing of the parsers, and 10^8 lies against other people's parsers
# mutants verdict code, changed in one place at a time: does a test mind? (hours; MUTANTS="--shard 1/4" for a part)

VENV := $(CURDIR)/.venv
export SLUICEGATE_TEST_PYTHON := $(VENV)/bin/python

.PHONY: test setup fmt clippy unit coverage instructions docs deb bench soak fuzz fuzz-keep mutants clean

test: setup fmt clippy unit coverage instructions docs
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

# Branches of proto that its own tests take: printed, with those never taken, and at least 95 %.
coverage:
	tests/measure/coverage.sh 95

# Instructions of one message on its way through framer and judge: within 5 % of what is written down for this rustc.
instructions:
	tests/measure/instructions.sh

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

PROFILE ?= release
deb:
	packaging/build.sh --profile $(PROFILE) $(if $(TARGET),--target $(TARGET))

bench:
	cargo bench --bench path
	cargo bench --bench engine
	cargo bench --bench observe
	cargo bench --bench versus

soak:
	SLUICEGATE_SEEDS=20000 cargo test --release --test sluicegate-tests simulation -- --nocapture
	SLUICEGATE_RELOADS=1000 SLUICEGATE_RELOAD_SESSIONS=500 SLUICEGATE_KILLS=100 \
		cargo test --release --test sluicegate-tests reload::load -- --nocapture
	SLUICEGATE_CASES=10000000 cargo test --release -p sluicegate-proto gen_16 -- --nocapture

# Needs a nightly toolchain, cargo-fuzz and a C++ compiler; ten minutes a target unless FUZZ_SECONDS says otherwise. It goes on
# from the lines of fuzz/seeds; `make fuzz-keep` writes what it found, minimised, back into them. Then come 10^8 lies
# against other people's parsers, with a new seed each day.
FUZZ_SECONDS ?= 600
FUZZ_MUTATIONS ?= 100000000
FUZZ_TARGETS := iec104_asdu iec104_device iec104_peer modbus_peer modbus_device modbus_request modbus_response sentence config
fuzz: setup $(addprefix fuzz-,$(FUZZ_TARGETS))
	SLUICEGATE_MUTATIONS=$(FUZZ_MUTATIONS) SLUICEGATE_TEST_SEED=$$(date -u +%Y%m%d) \
		cargo test --release --test sluicegate-tests gen_15 -- --nocapture

fuzz-%:
	python3 fuzz/seeds.py expand $* fuzz/corpus/$*
	cargo +nightly fuzz run --fuzz-dir fuzz $* -- -max_total_time=$(FUZZ_SECONDS) -max_len=1024 -timeout=10 -rss_limit_mb=2048

fuzz-keep:
	for target in $(FUZZ_TARGETS); do \
		cargo +nightly fuzz cmin --fuzz-dir fuzz $$target && python3 fuzz/seeds.py keep $$target fuzz/corpus/$$target || exit 1; \
	done

MUTANTS ?=
mutants:
	command -v cargo-mutants >/dev/null || cargo install --locked cargo-mutants
	tests/measure/mutants.sh $(MUTANTS)

clean:
	cargo clean
	rm -rf $(VENV)
