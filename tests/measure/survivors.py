"""Is every mutant that no test minded one that changes nothing, by the list? Prints the counts and the others.

usage: survivors.py LIST.md MUTANTS.OUT..

A line of the list is "- `FILE: CHANGE`: REASON", with "(N times)" before the colon where one change can be made at N
places of a function. Lines and columns are left out: they move with every commit.
"""

import collections
import pathlib
import re
import sys

ENTRY = re.compile(r"^- `(?P<change>[^`]+)`(?: \((?P<times>\d+) times\))?: \S")
PLACE = re.compile(r"^(?P<file>[^:]+):\d+:\d+: (?P<change>.+)$")


def main():
    listed, outs = read_list(pathlib.Path(sys.argv[1])), [pathlib.Path(name) for name in sys.argv[2:]]
    found = {word: lines(outs, word) for word in ["caught", "missed", "timeout", "unviable"]}
    survivors = collections.Counter(plain(one) for one in found["missed"])
    unexplained, left = [], collections.Counter(listed)
    for one in found["missed"]:
        if left[plain(one)] > 0:
            left[plain(one)] -= 1
        else:
            unexplained.append(one)
    print(
        f"{sum(map(len, found.values()))} mutants: {len(found['caught'])} caught, {len(found['timeout'])} never ended, "
        f"{len(found['unviable'])} do not compile, {sum(survivors.values())} survived, {len(unexplained)} of them unexplained"
    )
    seen = {plain(one) for some in found.values() for one in some}
    for change in sorted(change for change in left if left[change] > 0 and change in seen):
        print(f"on the list, and caught: {change}")
    for one in unexplained:
        print(f"nobody minds: {one}")
    sys.exit(1 if unexplained else 0)


def read_list(path):
    listed = collections.Counter()
    for line in path.read_text().splitlines():
        if entry := ENTRY.match(line):
            listed[entry["change"]] += int(entry["times"] or 1)
    return listed


def lines(outs, word):
    return [line for out in outs for line in (out / f"{word}.txt").read_text().splitlines() if line]


def plain(line):
    place = PLACE.match(line)
    return f"{place['file']}: {place['change']}" if place else line


if __name__ == "__main__":
    main()
