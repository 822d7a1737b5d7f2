#!/usr/bin/env python3
"""Which crates are linked into the binary? Their bill of materials as CycloneDX 1.5 JSON, to stdout.

usage: packaging/sbom.py TARGET_TRIPLE

Read from cargo's own tree (what the features of this build really turn on, without build scripts and macros) and from
Cargo.lock. SOURCE_DATE_EPOCH is its time; the same tree gives the same bytes.
"""

import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(*words):
    return subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def linked(target):
    """(name, version) -> licence of each crate that ends in the binary."""
    lines = run(
        "cargo", "tree", "--package", "sluicegate", "--locked", "--offline", "--target", target,
        "--edges", "normal,no-proc-macro", "--prefix", "none", "--no-dedupe", "--format", "{p}|{l}",
    )  # fmt: skip
    crates = {}
    for line in lines.splitlines():
        if line:
            package, licence = line.split("|")
            name, version = package.split()[:2]
            crates[name, version.removeprefix("v")] = licence
    return crates


def edges(target, crates):
    """Who needs whom, of those that are linked: as bom-refs."""
    words = ("cargo", "metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", target)
    metadata = json.loads(run(*words))
    known = {one["id"]: (one["name"], one["version"]) for one in metadata["packages"]}
    needs = {}
    for node in metadata["resolve"]["nodes"]:
        if known[node["id"]] in crates:
            normal = (one["pkg"] for one in node["deps"] if any(kind["kind"] is None for kind in one["dep_kinds"]))
            found = {ref(*known[one]) for one in normal if known[one] in crates}
            needs[ref(*known[node["id"]])] = sorted(found)
    return needs


def ref(name, version):
    return f"{name}@{version}"


def component(name, version, licence, package):
    # Crates of our own are on no registry: a `cargo` purl would name a stranger's.
    kind = "cargo" if "source" in package else "generic"
    one = {
        "type": "library",
        "bom-ref": ref(name, version),
        "name": name,
        "version": version,
        "licenses": [{"expression": re.sub(r"\s*/\s*", " OR ", licence)}],
        "purl": f"pkg:{kind}/{name}@{version.replace('+', '%2B')}",
    }
    if "checksum" in package:
        one["hashes"] = [{"alg": "SHA-256", "content": package["checksum"]}]
    return one


def standard_library():
    version = run("rustc", "--version").split()[1]
    return {
        "type": "library",
        "bom-ref": ref("rust-std", version),
        "name": "rust-std",
        "version": version,
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
        "purl": f"pkg:generic/rust-std@{version}",
    }


def main():
    target = sys.argv[1]
    lock = (ROOT / "Cargo.lock").read_bytes()
    packages = {(one["name"], one["version"]): one for one in tomllib.loads(lock.decode())["package"]}
    crates = linked(target)
    missing = [ref(*key) for key in crates if key not in packages]
    if missing:
        sys.exit(f"sbom: not in Cargo.lock: {missing}")
    needs = edges(target, crates)
    rows = {ref(*key): component(*key, licence, packages[key]) for key, licence in sorted(crates.items())}
    (ours,) = [name for name in rows if name.startswith("sluicegate@")]
    top = rows.pop(ours) | {"type": "application"}
    std = standard_library()
    needs[ours] = sorted([*needs[ours], std["bom-ref"]])
    when = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    seed = hashlib.sha256(lock + target.encode() + json.dumps(sorted(rows)).encode()).hexdigest()
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, seed)}",
        "version": 1,
        "metadata": {
            "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": top,
            "properties": [{"name": "sluicegate:target", "value": target}],
        },
        "components": [*rows.values(), std],
        "dependencies": [{"ref": name, "dependsOn": needs[name]} for name in sorted(needs)],
    }
    json.dump(bill, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    main()
