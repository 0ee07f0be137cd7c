"""``python -m tests.nemesis``: one run by hand, with everything it can be given."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import fields
from pathlib import Path

from tests.nemesis.parameters import Parameters
from tests.nemesis.run import run

COMMAND = "python -m tests.nemesis"


def main() -> int:
    """Run and tell; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description="Workers, faults, and what became of the sums.")
    parser.add_argument("--folder", type=Path, help="keep the logs of all processes here")
    parser.add_argument("--facts", type=Path, help="add what happened to this file, for the report")
    for field in fields(Parameters):
        default = field.default
        parser.add_argument(
            f"--{field.name.replace('_', '-')}", type=type(default), default=default
        )
    given = vars(parser.parse_args())
    facts = given.pop("facts")
    folder = given.pop("folder") or Path(tempfile.mkdtemp(prefix="olearn-nemesis-"))
    folder.mkdir(parents=True, exist_ok=True)
    result = asyncio.run(run(Parameters(**given), folder, _tell))
    print(*result.lines(), f"logs: {folder}", sep="\n", flush=True)
    if facts is not None:
        fact = {"test": COMMAND, "name": "nemesis", "value": result.facts()}
        with facts.open("a") as file:
            file.write(json.dumps(fact) + "\n")
    return int(bool(result.violations))


def _tell(line: str) -> None:
    print(time.strftime("%X"), line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
