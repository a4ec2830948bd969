"""What a scan is of, written once when it begins, so that every later run goes on with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from connectome.errors import InputError
from connectome.space import BoxNm
from proofreading.detection.bottlenecks import CUT_DETECTOR
from proofreading.detection.settings import OFF, DetectionSettings
from proofreading.files import storage_errors, write_atomically
from proofreading.ledger.codec import from_plain, to_plain
from proofreading.sites import SiteKind

__all__ = [
    "PRESENT",
    "SCAN",
    "Present",
    "ScanRecord",
    "read_present",
    "read_record",
    "write_present",
    "write_record",
]

SCAN = "scan.json"
PRESENT = "present.json"
_VERSION = 1


@dataclass(frozen=True)
class ScanRecord:
    """What is scanned.

    Parameters
    ----------
    datastack, address : str
        Its name and what opens it.
    version : str
        Hash of the roots that it had when the scan began.
    kinds : tuple of SiteKind
        What is looked for, sorted.
    box : BoxNm or None
        Where; everywhere if None.
    whole_volume : bool
        Whether voxels are read for contacts and weak cuts; else only skeletons are.
    buckets : int
        Into how many groups roots are divided; a root's group never changes.
    unit_blocks : int
        Blocks of a volume that one task reads.
    """

    datastack: str
    address: str
    version: str
    kinds: tuple[SiteKind, ...]
    box: BoxNm | None
    whole_volume: bool
    buckets: int
    unit_blocks: int
    format: int = _VERSION

    @property
    def settings(self) -> DetectionSettings:
        """How sites are found."""
        kinds = frozenset(self.kinds)
        if self.whole_volume:
            return DetectionSettings(kinds=kinds)
        return DetectionSettings(kinds=kinds - {SiteKind.CONTACT}, off=OFF | {CUT_DETECTOR})


@dataclass(frozen=True)
class Present:
    """Which files hold now: those of earlier states of the datastack are not among them."""

    sites: tuple[str, ...]
    verdicts: tuple[str, ...]
    complete: bool


def read_record(folder: Path) -> ScanRecord | None:
    """Return what a folder says that it scans, None if nothing was begun there.

    Raises
    ------
    InputError
        If it cannot be read, or is of a newer Proofdesk.
    """
    path = folder / SCAN
    if not path.exists():
        return None
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read.", "Choose another folder.") from error
    if int(plain.get("format", 0)) > _VERSION:
        raise InputError(f"{path} is of a newer Proofdesk.", "Update Proofdesk.")
    return from_plain(ScanRecord, plain)


def write_record(folder: Path, record: ScanRecord) -> None:
    """Write what is scanned.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / SCAN, json.dumps(to_plain(record), indent=2) + "\n")


def read_present(folder: Path) -> Present:
    """Return which files hold now; none while there is no scan."""
    path = folder / PRESENT
    if not path.exists():
        return Present((), (), complete=False)
    return from_plain(Present, json.loads(path.read_text(encoding="utf-8")))


def write_present(folder: Path, present: Present) -> None:
    """Write which files hold now.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    write_atomically(folder / PRESENT, json.dumps(to_plain(present)) + "\n")
