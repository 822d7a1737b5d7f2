#!/usr/bin/env bash
# Changes verdict code in every way that cargo-mutants knows, one change at a time, and asks whether a test of proto minds.
# usage: tests/measure/mutants.sh [arguments of cargo mutants, such as --shard 1/4 or -F policy/judge]
#
# mutants.toml says which files; mutants.md lists the survivors that change nothing, each with its reason. Any other
# survivor fails the run.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$PWD/target/mutation
mkdir -p "$out"

# Few tries of each property, always the same: a mutant is caught by the tests that name the case, or it is not.
export PROPTEST_CASES=48 PROPTEST_RNG_SEED=1 PROPTEST_DISABLE_FAILURE_PERSISTENCE=true RUST_BACKTRACE=0
status=0
cargo mutants --config tests/measure/mutants.toml --package sluicegate-proto --no-shuffle -o "$out" "$@" || status=$?
# 2: some were missed; 3: some ran out of time. survivors.py judges both.
case $status in
  0 | 2 | 3) ;;
  *) exit "$status" ;;
esac
python3 tests/measure/survivors.py tests/measure/mutants.md "$out/mutants.out"
