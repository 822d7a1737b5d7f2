"""Is FILE a CycloneDX 1.5 document, by the schema of those who made the format? Prints `valid`, or what is wrong."""

import pathlib
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

fault = JsonStrictValidator(SchemaVersion.V1_5).validate_str(pathlib.Path(sys.argv[1]).read_text())
if fault:
    sys.exit(f"{fault}")
print("valid")
