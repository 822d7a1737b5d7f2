"""Reads dashboards into the types of Grafana's own SDK, writes them again, and tells what was lost on the way."""

import json
import sys

from grafana_foundation_sdk.cog import encoder, plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def lost(before, after, place):
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key in after:
                yield from lost(value, after[key], f"{place}.{key}")
            elif value is not None:
                yield f"{place}.{key}: Grafana does not know it"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for n, (one, other) in enumerate(zip(before, after)):
            yield from lost(one, other, f"{place}[{n}]")
    elif before != after:
        yield f"{place}: {before!r} became {after!r}"


plugins.register_default_plugins()
faults = []
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        before = json.load(file)
    after = json.loads(json.dumps(Dashboard.from_json(before), cls=encoder.JSONEncoder))
    faults.extend(lost(before, after, name))
for fault in faults:
    print(fault)
sys.exit(1 if faults else 0)
