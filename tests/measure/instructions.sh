#!/usr/bin/env bash
# Counts the instructions of one message on its way through framer and judge, and fails where a case takes more than
# TOLERANCE percent more, or less, than is written in instructions.txt.
# usage: tests/measure/instructions.sh [--renew]
#
# callgrind counts what the load of a machine does not change. Each case is run for a thousand messages and for two
# thousand: the difference is what a thousand messages cost, without the start of the program and its policy. Another
# compiler makes other code: the counts are then printed and compared with nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
tolerance=${TOLERANCE:-5}
kept=tests/measure/instructions.txt

if ! command -v valgrind >/dev/null; then
  echo "SKIPPED instructions: there is no valgrind (tests/setup.sh installs it)" >&2
  exit 0
fi
cargo build --quiet --profile count -p sluicegate-proto --example count
program=${CARGO_TARGET_DIR:-target}/count/examples/count
compiler="$(rustc -V), $(rustc -vV | sed -n 's/^host: //p')"

collected() { valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 | sed -n 's/.*Collected : //p'; }
counted=$(
  for case in $("$program"); do
    once=$(collected "$case" 1000)
    twice=$(collected "$case" 2000)
    echo "$case $(((twice - once + 500) / 1000))"
  done
)

if [ "${1:-}" = --renew ]; then
  { echo "# instructions of one message; written by tests/measure/instructions.sh --renew"; echo "# $compiler"; echo "$counted"; } >"$kept"
  cat "$kept"
  exit
fi
if ! grep -qxF "# $compiler" "$kept"; then
  echo "$counted"
  echo "SKIPPED instructions: counted with $compiler, and $kept was written with $(sed -n '2s/^# //p' "$kept")" >&2
  exit 0
fi
awk -v tolerance="$tolerance" '
  FNR == NR { if ($1 != "#") kept[$1] = $2; next }
  {
    seen[$1] = 1
    if (!($1 in kept)) { printf "%-32s %6d   not in the file\n", $1, $2; bad = 1; next }
    change = ($2 - kept[$1]) * 100 / kept[$1]
    off = change > tolerance || change < -tolerance
    printf "%-32s %6d   was %6d  %+.1f %%%s\n", $1, $2, kept[$1], change, off ? "  <--" : ""
    if (off) bad = 1
  }
  END {
    for (name in kept) if (!(name in seen)) { printf "%-32s is counted no more\n", name; bad = 1 }
    exit bad
  }' "$kept" <(echo "$counted") || {
  echo "instructions: more than $tolerance % off. Cheaper, or dearer for a good reason: tests/measure/instructions.sh --renew" >&2
  exit 1
}
