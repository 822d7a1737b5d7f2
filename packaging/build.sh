#!/usr/bin/env bash
# Builds the Debian package: OUT/sluicegate_VERSION_ARCH.deb. Needs dpkg-dev, binutils, python3, and a checkout with git.
#
# usage: packaging/build.sh [--profile release|dev] [--target TRIPLE] [--binary FILE] [--out DIR]
#   --profile  how it is compiled (release); dev is for the tests, and is packed without much compression
#   --target   for another machine: aarch64-unknown-linux-gnu wants that Rust target and gcc-aarch64-linux-gnu
#   --binary   packs this one and compiles nothing
#   --out      where it goes (target/debian)
set -euo pipefail
cd "$(dirname "$0")/.."

profile=release target= binary= out=target/debian
while [ $# -gt 0 ]; do
  case $1 in
    --profile) profile=$2 ;;
    --target) target=$2 ;;
    --binary) binary=$2 ;;
    --out) out=$2 ;;
    *) echo "build.sh: what is $1?" >&2; exit 2 ;;
  esac
  shift 2
done

host=$(rustc -vV | sed -n 's/^host: //p')
triple=${target:-$host}
case $triple in
  x86_64-unknown-linux-gnu) arch=amd64 gnu=x86_64-linux-gnu ;;
  aarch64-unknown-linux-gnu) arch=arm64 gnu=aarch64-linux-gnu ;;
  *) echo "build.sh: $triple is no target of ours (amd64, arm64)" >&2; exit 2 ;;
esac
tool() { if [ "$triple" = "$host" ]; then echo "$1"; else echo "$gnu-$1"; fi; }

# The same commit gives the same bytes: one time, one order, no owner, no path of this machine.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022
version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' Cargo.toml)
debian=$version-1
# Where a report goes stands in SECURITY.md; the package names the project, and a distributor names himself.
maintainer=${SLUICEGATE_MAINTAINER:-Sluicegate maintainers <maintainers@sluicegate.invalid>}

compile() {
  local flags=(--locked --bin sluicegate)
  local folder=target
  if [ "$triple" != "$host" ]; then
    flags+=(--target "$triple") folder=target/$triple
    export "CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$triple")_LINKER=$gnu-gcc"
  fi
  if [ "$profile" = release ]; then
    local registry=${CARGO_HOME:-$HOME/.cargo}
    export RUSTFLAGS="--remap-path-prefix=$PWD=/sluicegate --remap-path-prefix=$registry=/cargo"
    SLUICEGATE_REVISION=$(git rev-parse --short=12 HEAD) cargo build --release "${flags[@]}" >&2
    echo "$folder/release/sluicegate"
  else
    cargo build "${flags[@]}" >&2
    echo "$folder/debug/sluicegate"
  fi
}

# The pages and completions come out of a binary that runs here.
writer() {
  if [ "$triple" = "$host" ]; then echo "$binary"; return; fi
  cargo build --locked --bin sluicegate >&2
  echo target/debug/sluicegate
}

put() { # MODE SOURCE PLACE
  install -D -m "$1" "$2" "$tree/$3"
}

program() {
  put 0755 "$binary" usr/bin/sluicegate
  # The symbols stay here, for whoever reads a backtrace.
  mkdir -p "$out"
  "$(tool objcopy)" --only-keep-debug "$binary" "$out/sluicegate_${debian}_$arch.debug"
  "$(tool strip)" --strip-unneeded --remove-section=.comment --remove-section=.note "$tree/usr/bin/sluicegate"
  "$(tool objcopy)" --add-gnu-debuglink="$out/sluicegate_${debian}_$arch.debug" "$tree/usr/bin/sluicegate"
}

service() {
  put 0644 systemd/sluicegate.service lib/systemd/system/sluicegate.service
  put 0644 systemd/sluicegate.sysusers usr/lib/sysusers.d/sluicegate.conf
  put 0644 systemd/sluicegate.tmpfiles usr/lib/tmpfiles.d/sluicegate.conf
  put 0644 systemd/sluicegate.sysctl usr/lib/sysctl.d/60-sluicegate.conf
  # Empty: nothing that lies here could start. postinst gives them to the service's group.
  install -d -m 0755 "$tree"/etc/sluicegate{,/conduits.d,/pki}
}

handbook() {
  local from page
  from=$(realpath "$(writer)")
  mkdir -p "$work/man"
  "$from" man --dir "$work/man"
  for page in "$work"/man/*; do
    put 0644 "$page" "usr/share/man/man${page##*.}/${page##*/}"
  done
  find "$tree/usr/share/man" -type f -exec gzip -9n {} +
  "$from" completions bash >"$work/bash"
  "$from" completions zsh >"$work/zsh"
  "$from" completions fish >"$work/fish"
  put 0644 "$work/bash" usr/share/bash-completion/completions/sluicegate
  put 0644 "$work/zsh" usr/share/zsh/vendor-completions/_sluicegate
  put 0644 "$work/fish" usr/share/fish/vendor_completions.d/sluicegate.fish
}

# The folders lie to each other as in the source, so that every link between the pages leads somewhere.
documents() {
  local doc=usr/share/doc/sluicegate page
  for page in README.md ARCHITECTURE.md CONTRIBUTING.md SECURITY.md; do put 0644 "$page" "$doc/$page"; done
  find docs -type f | while read -r page; do
    case $page in *.sh) put 0755 "$page" "$doc/$page" ;; *) put 0644 "$page" "$doc/$page" ;; esac
  done
  ln -s copyright "$tree/$doc/LICENSE"
  # Debian has the Apache License on every machine; the MIT licence it calls Expat comes along.
  { cat packaging/debian/copyright; sed -n '/^Permission is hereby/,$p' LICENSE | sed 's/^$/./; s/^/ /'; } >"$work/copyright"
  put 0644 "$work/copyright" "$doc/copyright"
  put 0644 CHANGELOG.md "$doc/changelog"
  printf 'sluicegate (%s) unstable; urgency=medium\n\n  * Version %s; what changed stands in changelog.gz.\n\n -- %s  %s\n' \
    "$debian" "$version" "$maintainer" "$(date -R -d "@$SOURCE_DATE_EPOCH")" >"$work/changelog.Debian"
  put 0644 "$work/changelog.Debian" "$doc/changelog.Debian"
  gzip -9n "$tree/$doc/changelog" "$tree/$doc/changelog.Debian"
  # The example is the page's: one truth, and a test runs it.
  awk '/^```toml$/ && !done { on = 1; next } /^```$/ && on { on = 0; done = 1 } on' docs/first-conduit.md >"$work/example"
  put 0644 "$work/example" "$doc/examples/first-conduit/sluicegate.toml"
  if [ -d examples ]; then
    (cd examples && find . -type f -printf '%P\n') | while read -r page; do put 0644 "examples/$page" "$doc/examples/$page"; done
  fi
  packaging/sbom.py "$triple" >"$work/sbom"
  put 0644 "$work/sbom" "$doc/sluicegate.cdx.json"
}

monitoring() {
  (cd monitoring && find . -type f -printf '%P\n') | while read -r page; do
    put 0644 "monitoring/$page" "usr/share/sluicegate/monitoring/$page"
  done
  ln -s ../../sluicegate/monitoring "$tree/usr/share/doc/sluicegate/monitoring"
}

# What the binary links against, with the least versions that have the symbols it uses.
depends() {
  mkdir -p "$work/shlibs/debian"
  printf 'Source: sluicegate\nMaintainer: %s\n\nPackage: sluicegate\nArchitecture: %s\nDescription: x\n' \
    "$maintainer" "$arch" >"$work/shlibs/debian/control"
  local found
  if [ "$triple" = "$host" ]; then
    found=$(cd "$work/shlibs" && dpkg-shlibdeps -O "$tree/usr/bin/sluicegate" 2>/dev/null)
    echo "${found#shlibs:Depends=}"
    return
  fi
  # For another machine the libraries are not installed here: the newest symbol version says it.
  local least
  least=$("$gnu-objdump" -T "$tree/usr/bin/sluicegate" | sed -n 's/.*GLIBC_\(2\.[0-9.]*\).*/\1/p' | sort -Vu | tail -n 1)
  echo "libc6 (>= $least), libgcc-s1 (>= 4.2)"
}

control() {
  local size needs
  needs=$(depends)
  size=$(find "$tree" -type f -printf '%s\n' | awk '{ kib += int(($1 + 1023) / 1024) } END { print kib }')
  mkdir "$tree/DEBIAN"
  sed -e "s/@VERSION@/$debian/" -e "s/@ARCH@/$arch/" -e "s/@MAINTAINER@/$maintainer/" -e "s/@SIZE@/$size/" \
    -e "s/@DEPENDS@/$needs/" packaging/debian/control >"$tree/DEBIAN/control"
  install -m 0755 packaging/debian/{postinst,prerm,postrm} "$tree/DEBIAN/"
  (cd "$tree" && find . -path ./DEBIAN -prune -o -type f -printf '%P\n' | sort | xargs md5sum) >"$tree/DEBIAN/md5sums"
  chmod 0644 "$tree/DEBIAN/control" "$tree/DEBIAN/md5sums"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
mkdir -p "$tree" "$out"
out=$(realpath "$out")
if [ -z "$binary" ]; then binary=$(compile); fi
program
service
handbook
documents
monitoring
control
find "$tree" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
pack=(-Zxz)
if [ "$profile" = dev ]; then pack=(-Zgzip -z1); fi
dpkg-deb --root-owner-group "${pack[@]}" --build "$tree" "$out/sluicegate_${debian}_$arch.deb" >&2
echo "$out/sluicegate_${debian}_$arch.deb"
