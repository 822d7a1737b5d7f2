"""Which branches of proto's production code did its tests take? Prints a table and what was never taken.

usage: coverage.py EXPORT.json ROOT FLOOR

EXPORT.json is what `llvm-cov export` says about the instrumented tests. A branch is one way out of one condition (`if`,
`if let`, `while`, `&&`, `||`, a match guard): it counts as taken when any instantiation took it. FLOOR is for their sum.
The arms of a match are no branches to rustc but regions of code, so regions are printed too. They have no floor: each
`?` is a region of its own, also where what it passes on cannot happen, and so is code that only the compiler runs.
"""

import collections
import json
import pathlib
import re
import sys

CODE = 0  # the kind of a region that is code (neither an expansion nor a gap)


def main():
    export, root, floor = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), float(sys.argv[3])
    source = root / "proto" / "src"
    branches, regions = read(json.loads(pathlib.Path(export).read_text())["data"], source)
    production = {path: lines_of_production(path, source) for path in sorted(source.rglob("*.rs"))}
    rows, missed = [], []
    for path, lines in production.items():
        ways = {at: taken for at, taken in branches[path].items() if at[0] in lines}
        parts = {at: taken for at, taken in regions[path].items() if at[0] in lines}
        name = str(path.relative_to(source))
        if parts:
            rows.append((name, sum(ways.values()), len(ways), sum(parts.values()), len(parts)))
        for (line, column, _, _, way), taken in sorted(ways.items()):
            if not taken:
                missed.append(f"  proto/src/{name}:{line}:{column}: never {way}")
    sys.exit(report(rows, missed, floor))


def read(data, source):
    """file -> place of a branch or region -> was it ever taken?"""
    branches, regions = collections.defaultdict(dict), collections.defaultdict(dict)

    def note(table, path, key, count):
        table[path][key] = table[path].get(key, False) or count > 0

    for function in (function for part in data for function in part["functions"]):
        files = [pathlib.Path(name) for name in function["filenames"]]
        for *place, count, file, _, kind in function["regions"]:
            if kind == CODE and files[file].is_relative_to(source):
                note(regions, files[file], tuple(place), count)
        for *place, yes, no, file, _, _ in function.get("branches", []):
            if files[file].is_relative_to(source):
                note(branches, files[file], (*place, "true"), yes)
                note(branches, files[file], (*place, "false"), no)
    return branches, regions


def lines_of_production(path, source):
    """The numbers of the lines that ship: not those of items or whole files below `#[cfg(test)]`."""
    for folder in [path, *path.parents]:
        if folder == source:
            break
        if declared_for_tests(folder, source):
            return set()
    kept, lines, at = set(), path.read_text().splitlines(), 0
    while at < len(lines):
        if lines[at].strip() == "#[cfg(test)]":
            at = end_of_item(lines, at + 1)
        else:
            kept.add(at + 1)
        at += 1
    return kept


def declared_for_tests(path, source):
    """Does the file that declares module `path` put it below `#[cfg(test)]`?"""
    folder = path.parent
    parent = source / "lib.rs" if folder == source else folder.with_suffix(".rs")
    pattern = rf"#\[cfg\(test\)\]\s*mod {re.escape(path.stem)};"
    return parent.exists() and re.search(pattern, parent.read_text()) is not None


def end_of_item(lines, start):
    """The last line of the item that starts there, as rustfmt indents it."""
    indent = len(lines[start]) - len(lines[start].lstrip())
    for at in range(start, len(lines)):
        line = lines[at]
        ours = len(line) - len(line.lstrip()) == indent
        if ours and line.rstrip().endswith((";", "}")):
            return at
    return len(lines)


def share(hit, of):
    return 100.0 if of == 0 else 100.0 * hit / of


def report(rows, missed, floor):
    total = ("total", *(sum(row[column] for row in rows) for column in range(1, 5)))
    width = max(len(row[0]) for row in rows)
    print(f"{'proto/src':{width}}        branches             regions")
    for name, hit, of, reached, parts in [*rows, total]:
        print(f"{name:{width}}  {hit:5}/{of:<5} {share(hit, of):5.1f} %  {reached:5}/{parts:<5} {share(reached, parts):5.1f} %")
    if missed:
        print(f"\n{len(missed)} branches never taken:")
        print("\n".join(missed))
    if total[2] == 0:
        print("\ncoverage: no branch was counted: the instrumented build says nothing about branches", file=sys.stderr)
        return 1
    if share(*total[1:3]) < floor:
        print(f"\ncoverage: {share(*total[1:3]):.1f} % of branches, at least {floor:g} % are wanted", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    main()
