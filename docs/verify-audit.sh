#!/bin/sh
# Is this audit trail whole, in order, and the one that the gateway signed?
#
#   verify-audit.sh DIR                the directory `audit` below `[site] state`, or a copy of it
#   verify-audit.sh DIR --key FILE     with a public key that you kept yourself: the one in DIR could have been replaced
#   verify-audit.sh DIR --head FILE    and with checkpoints that you saw earlier, kept outside of the gateway
#   verify-audit.sh DIR --every        and the tree of every checkpoint, not only of each file's last one (slow)
#
# It needs openssl, GNU coreutils, sed and a POSIX shell, and nothing of ours. What it checks:
#   chain        each line holds the SHA-256 of the line before it, across files, and the next number
#   checkpoints  each is signed (Ed25519, C2SP tlog-checkpoint), and the RFC 6962 tree over the lines has the root signed
# Lines after the last checkpoint are chained only: at most 10 seconds, or 1 000 lines, of a gateway that still runs.
# Lines that were cut off after the last checkpoint you have seen cannot be missed by anybody: keep checkpoints outside.
#
# Exit: 0 whole, 1 not, 2 usage.
set -eu
export LC_ALL=C

# Hashes of many small pieces at once. A process for each would take minutes, a file for each in one directory gigabytes:
# so split(1) hands over some thousand pieces at a time to this same script.
# In memory where there is some: that is many times faster, and takes less than 100 MB.
MANY=4096
if [ -z "${TMPDIR-}" ] && [ -d /dev/shm ] && [ -w /dev/shm ]; then TMPDIR=/dev/shm; fi
export TMPDIR="${TMPDIR:-/tmp}"
case "${1-}" in
--hash-lines)
    work=$(mktemp -d)
    cd "$work"
    split -l 1 -a 4 - p
    truncate -s -1 p*
    sha256sum p* | cut -c 1-64
    cd / && rm -r "$work"
    exit 0
    ;;
--hash-nodes)
    work=$(mktemp -d)
    cd "$work"
    split -b 65 -a 4 - p
    sha256sum p* | cut -c 1-64
    cd / && rm -r "$work"
    exit 0
    ;;
esac

self=$(realpath "$0")
usage() {
    sed -n '3,7s/^# *//p' "$self" >&2
    exit 2
}
[ $# -ge 1 ] && [ -d "$1" ] || usage
dir=$(realpath "$1")
shift
key=$dir/checkpoint.pub heads='' every=no
while [ $# -gt 0 ]; do
    case "$1" in
    --key) [ $# -ge 2 ] || usage; key=$2; shift 2 ;;
    --head) [ $# -ge 2 ] || usage; heads=$2; shift 2 ;;
    --every) every=yes; shift ;;
    *) usage ;;
    esac
done

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
faults=0
fault() {
    echo "FAULT $*"
    faults=$((faults + 1))
}

# Hex hashes of stdin's lines, without their newline.
hash_lines() { split -l $MANY --filter="sh '$self' --hash-lines" -; }
# Hex hashes of the nodes of a tree: stdin has two hex hashes a line.
hash_nodes() {
    sed 's/^/01/' | tr 'a-f' 'A-F' | basenc --base16 -d -i |
        split -b $((65 * MANY)) --filter="sh '$self' --hash-nodes" -
}

# The RFC 6962 root of the first $2 leaves in file $1 (hex), in base64.
root_of() {
    head -n "$2" "$1" >"$tmp/level"
    count=$2
    if [ "$count" -eq 0 ]; then
        printf '' | openssl dgst -sha256 -binary | base64
        return
    fi
    while [ "$count" -gt 1 ]; do
        pairs=$((count / 2))
        head -n $((pairs * 2)) "$tmp/level" | paste -d '\0' - - | hash_nodes >"$tmp/next"
        # An odd one out goes up as it is.
        if [ $((count % 2)) -eq 1 ]; then tail -n 1 "$tmp/level" >>"$tmp/next"; fi
        mv "$tmp/next" "$tmp/level"
        count=$(((count + 1) / 2))
    done
    tr 'a-f' 'A-F' <"$tmp/level" | basenc --base16 -d -i | base64
}

first_difference() { cmp "$1" "$2" 2>&1 | sed -n 's/.* line \([0-9]*\)$/\1/p; s/.*EOF.* line \([0-9]*\).*/\1/p'; }

# Verifies the chain of one file. `last` is the hash of the line before it, empty where that is unknown.
last='' next=''
chain_of() {
    file=$1 stem=$2 work=$tmp/$2
    mkdir "$work"
    if [ -n "$(tail -c 1 "$file" | tr -d '\n')" ]; then
        echo "note  $stem: its last line is torn or being written; it is left out"
        head -n "$(wc -l <"$file")" "$file" >"$work/lines"
    else
        cp "$file" "$work/lines"
    fi
    total=$(wc -l <"$work/lines")
    [ "$total" -gt 0 ] || { : >"$work/leaves"; return 0; }
    hash_lines <"$work/lines" >"$work/hashes"
    sed 's/^/\x00/' "$work/lines" | hash_lines >"$work/leaves"
    sed -n 's/^.*"prev":"\([0-9a-f]\{64\}\)"}$/\1/p;t;s/.*/-/p' "$work/lines" >"$work/prevs"
    sed -n 's/^{"seq":\([0-9]*\),.*$/\1/p;t;s/.*/-/p' "$work/lines" >"$work/seqs"
    [ -n "$last" ] || last=$(head -n 1 "$work/prevs")
    [ -n "$next" ] || next=$(head -n 1 "$work/seqs")
    { echo "$last"; head -n -1 "$work/hashes"; } >"$work/expected"
    cmp -s "$work/prevs" "$work/expected" ||
        fault "$stem: line $(first_difference "$work/prevs" "$work/expected") does not hold the hash of the line before it"
    case "$next" in *[!0-9]* | '') fault "$stem: line 1 has no number"; next=0 ;; esac
    seq "$next" $((next + total - 1)) >"$work/expected"
    cmp -s "$work/seqs" "$work/expected" ||
        fault "$stem: line $(first_difference "$work/seqs" "$work/expected") has not the number that follows"
    last=$(tail -n 1 "$work/hashes")
    next=$((next + total))
    echo "chain $stem: $total lines"
}

# Verifies the signed notes in file $1. With $2 = all, the tree of each; else of the last one of each file.
notes_of() {
    number=0
    while IFS= read -r origin && IFS= read -r size && IFS= read -r root && IFS= read -r blank && IFS= read -r signed; do
        number=$((number + 1))
        if ! signature_holds; then
            fault "checkpoint $number of $1: its signature does not hold"
            continue
        fi
        stem=${origin##*/}
        printf '%s %s\n' "$size" "$root" >>"$tmp/$3.$stem"
    done <"$1"
    echo "signatures $1: $number checkpoints"
    for list in "$tmp/$3".*; do
        [ -e "$list" ] || continue
        stem=${list##*.}
        if [ "$2" = all ]; then cp "$list" "$tmp/wanted"; else tail -n 1 "$list" >"$tmp/wanted"; fi
        if [ ! -d "$tmp/$stem" ]; then
            echo "note  $stem is signed, and not here any more"
            continue
        fi
        while read -r size root; do
            total=$(wc -l <"$tmp/$stem/leaves")
            if [ "$size" -gt "$total" ]; then
                fault "$stem: it has $total lines, and a checkpoint says that it had $size"
            elif [ "$(root_of "$tmp/$stem/leaves" "$size")" != "$root" ]; then
                fault "$stem: its first $size lines are not those that were signed"
            else
                echo "tree  $stem: the first $size of $total lines are those that were signed"
            fi
        done <"$tmp/wanted"
    done
}

signature_holds() {
    [ -z "$blank" ] || return 1
    case "$size" in *[!0-9]* | '') return 1 ;; esac
    name=${signed#— }
    [ "$name" != "$signed" ] && [ "${name% *}" = "$origin" ] || return 1
    printf '%s' "${signed##* }" | base64 -d >"$tmp/signed" 2>/dev/null || return 1
    [ "$(wc -c <"$tmp/signed")" -eq 68 ] || return 1
    { printf '%s\n\001' "$origin"; cat "$tmp/raw"; } | openssl dgst -sha256 -binary | head -c 4 >"$tmp/id"
    head -c 4 "$tmp/signed" | cmp -s - "$tmp/id" || return 1
    tail -c 64 "$tmp/signed" >"$tmp/signature"
    printf '%s\n%s\n%s\n' "$origin" "$size" "$root" >"$tmp/text"
    openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$tmp/text" -sigfile "$tmp/signature" >/dev/null 2>&1
}

openssl pkey -pubin -in "$key" -outform DER 2>/dev/null | tail -c 32 >"$tmp/raw" || true
[ "$(wc -c <"$tmp/raw")" -eq 32 ] || { echo "FAULT $key is no Ed25519 public key"; exit 1; }

found=no
for file in "$dir"/audit-*.jsonl; do
    [ -e "$file" ] || continue
    stem=${file##*/}
    stem=${stem%.jsonl}
    if [ $found = no ]; then
        found=yes
        if [ "$stem" = audit-000001 ]; then
            last=$(printf '%064d' 0) next=1
        else
            echo "note  files before $stem are not here: the chain is verified from there on"
        fi
    fi
    chain_of "$file" "$stem"
    newest=$stem
done
[ $found = yes ] || { echo "FAULT no audit files in $dir"; exit 1; }

mode=last
[ $every = no ] || mode=all
if [ -s "$dir/checkpoints" ]; then
    notes_of "$dir/checkpoints" $mode own
else
    fault "there are no checkpoints: nothing is signed"
fi
# A file that ended was signed as it ended, and one that grows is signed every 1 000 lines, give or take a batch.
for leaves in "$tmp"/audit-*/leaves; do
    stem=${leaves%/leaves} stem=${stem##*/}
    total=$(wc -l <"$leaves") size=0
    [ ! -e "$tmp/own.$stem" ] || size=$(tail -n 1 "$tmp/own.$stem" | cut -d ' ' -f 1)
    loose=$((total - size))
    if [ "$loose" -gt 0 ] && [ "$stem" != "$newest" ]; then
        fault "$stem: it has ended, and its last $loose lines are not signed"
    elif [ "$loose" -gt 2000 ]; then
        fault "$stem: its last $loose lines are not signed"
    elif [ "$loose" -gt 0 ]; then
        echo "note  $stem: its last $loose lines are chained, and not signed yet"
    fi
done

[ -z "$heads" ] || notes_of "$heads" all seen

if [ $faults -gt 0 ]; then
    echo "NOT WHOLE: $faults faults"
    exit 1
fi
echo "WHOLE"
