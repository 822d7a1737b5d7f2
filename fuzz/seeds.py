#!/usr/bin/env python3
"""The kept corpus: one file of hexadecimal lines a target, so that a review can read what is added.

usage: seeds.py expand TARGET FOLDER   one file a line, for the fuzzer
       seeds.py keep TARGET FOLDER     the lines from what the fuzzer found and minimised
"""

import hashlib
import pathlib
import sys

# Every message fits, and most sentences; of a configuration a table or two.
LONGEST = 300
# Together they are tried in `make test`, with mutations of each.
MOST = 300

what, target, folder = sys.argv[1:]
kept = pathlib.Path(__file__).parent / "seeds" / f"{target}.hex"
folder = pathlib.Path(folder)
lines = kept.read_text().split() if kept.exists() else []
if what == "expand":
    folder.mkdir(parents=True, exist_ok=True)
    for line in lines:
        data = bytes.fromhex(line)
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
else:
    found = {file.read_bytes().hex() for file in folder.iterdir() if 0 < file.stat().st_size <= LONGEST}
    # What was kept stays; of what is new the short ones come first.
    new = sorted(found - set(lines), key=lambda line: (len(line), line))
    kept.write_text("\n".join(sorted(set(lines + new[: max(0, MOST - len(lines))]), key=lambda line: (len(line), line))) + "\n")
