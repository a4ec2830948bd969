"""Appends decisions and names each on stdout once it is acknowledged, until it is killed."""

from __future__ import annotations

import sys
import uuid
from dataclasses import replace
from pathlib import Path

from proofreading.ledger.events import DecisionMade
from proofreading.ledger.store import Ledger
from tests.unit.ledger.build import a_decision


def main() -> None:
    """Append to the ledger named on the command line, at most a million times."""
    ledger = Ledger.open(Path(sys.argv[1]))
    for number in range(1_000_000):
        name = str(uuid.uuid4())
        ledger.append(DecisionMade(replace(a_decision(number, site=number), id=name)))
        sys.stdout.write(name + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
