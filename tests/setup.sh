#!/usr/bin/env bash
# Installs what the tests need: other people's Modbus implementations, TLS tools, Prometheus, Grafana's types of dashboards.
# usage: tests/setup.sh VENV
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=$1

packages=(gcc libc6-dev pkg-config libmodbus-dev mbpoll stunnel4 socat openssl prometheus systemd python3-venv libfaketime
  valgrind dpkg-dev binutils groff man-db lintian curl iproute2)
# What reads the coverage that rustc counts: Debian's newest LLVM, or the toolchain's own tools where rustc's is newer.
llvm=22
if [ "$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')" -le "$llvm" ]; then
  packages+=("llvm-$llvm")
else
  rustup component add llvm-tools
fi
missing=()
for one in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$one" 2>/dev/null | grep -q 'install ok installed' || missing+=("$one")
done
if [ "${#missing[@]}" -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "setup: install these first: ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
  fi
  export DEBIAN_FRONTEND=noninteractive
  # Daemons that come with the tools (prometheus, stunnel) are not started by their installation.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 0755 "$policy"
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

stamp="$venv/.requirements"
if ! cmp -s "$here/requirements.txt" "$stamp"; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$stamp"
fi
