#!/usr/bin/env bash
# Counts which branches of proto its own tests and fuzz entries take, and fails below the floor.
# usage: tests/measure/coverage.sh [FLOOR in %]
#
# rustc counts branches only behind a flag that stable keeps locked; RUSTC_BOOTSTRAP opens it for this build, which lives
# in a target folder of its own and ships nowhere. What it counted is read by LLVM's tools: the toolchain's own where
# `rustup component add llvm-tools` brought them, else Debian's of rustc's LLVM version or of a later one.
set -euo pipefail
cd "$(dirname "$0")/../.."
floor=${1:-95}

major=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
tool() {
  local own at
  own=$(echo "$(rustc --print sysroot)"/lib/rustlib/*/bin/"$1")
  for at in "$own" $(seq -f "$1-%g" "$major" $((major + 9))); do
    command -v "$at" && return
  done
  echo "coverage: no $1 reads what rustc's LLVM $major writes: install llvm-$major, or rustup component add llvm-tools" >&2
  return 1
}
profdata=$(tool llvm-profdata)
cov=$(tool llvm-cov)

# The seed makes the count the same on every machine: what proptest tries is then fixed. Few tries are enough to go each way.
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$PWD/target/coverage PROPTEST_RNG_SEED=1 PROPTEST_CASES=64
raw=$CARGO_TARGET_DIR/raw
rm -rf "$raw"
build() { cargo rustc --quiet -p sluicegate-proto --lib --profile test "$@" -- -Cinstrument-coverage -Zcoverage-options=branch; }
build
binary=$(build --message-format=json | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)
(cd proto && LLVM_PROFILE_FILE="$raw/%p-%m.profraw" "$binary" --quiet)
"$profdata" merge --sparse "$raw"/*.profraw -o "$CARGO_TARGET_DIR/tests.profdata"
"$cov" export "$binary" --instr-profile="$CARGO_TARGET_DIR/tests.profdata" >"$CARGO_TARGET_DIR/tests.json"
python3 tests/measure/coverage.py "$CARGO_TARGET_DIR/tests.json" . "$floor"
