"""A window with a language model in a process of its own: says what it has loaded."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from app.services.model import Phase
from app.services.opening import Opened
from app.ui.driver import Driver

HEAVY = ("torch", "transformers", "peft", "onnxruntime", "octarine", "sklearn")


def main(session: str, address: str, model: str) -> None:
    with Driver(Opened(Path(session), address, (model,))) as driver:
        bench = driver.workbench

        def ready() -> bool:
            status = bench.snapshot().language
            return status is not None and status.phase is Phase.READY

        driver.until(ready, "the language model", 240)
        driver.until(lambda: bench.snapshot().current is not None, "the first site")
        loaded = [name for name in HEAVY if name in sys.modules]
    sys.stdout.write(json.dumps(loaded) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
