"""Sites, verdicts and partial contacts as rows of Parquet, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.contact_blocks import Patches, Touching, TouchingPart
from proofreading.detection.bottlenecks import Bottleneck, Links
from proofreading.ledger.codec import from_plain, to_json
from proofreading.scan.folder import ResultFolder
from proofreading.scan.keys import site_key
from proofreading.sites import Site
from proofreading.verdicts import FailedVerdict, Verdict

__all__ = [
    "cut_columns",
    "cuts_of",
    "pair_columns",
    "pairs_of",
    "read_links",
    "read_part",
    "read_sites",
    "read_verdicts",
    "site_columns",
    "verdict_columns",
    "write_links",
    "write_part",
]

LABELS = "labels"


def site_columns(sites: Sequence[Site]) -> dict[str, Any]:
    """Return the columns of sites: what is searched for, and each whole as JSON."""
    return {
        "id": [site.id for site in sites],
        "key": [site_key(site) for site in sites],
        "kind": [site.kind.value for site in sites],
        "root": np.array([site.root for site in sites], np.uint64),
        "partner": np.array(
            [site.partners[0].root if site.partners else 0 for site in sites], np.uint64
        ),
        "partners": _ids([[partner.root for partner in site.partners] for site in sites]),
        **{
            axis: np.array([site.point_nm[place] for site in sites], np.float64)
            for place, axis in enumerate("xyz")
        },
        "body": [to_json(site) for site in sites],
    }


def _ids(rows: Sequence[Sequence[int]]) -> Any:
    import pyarrow

    return pyarrow.array(rows, pyarrow.list_(pyarrow.uint64()))


def read_sites(folder: ResultFolder, kind: str, name: str) -> list[Site]:
    """Return the sites of a file, in its order."""
    bodies = folder.read(kind, name, ["body"]).column("body").to_pylist()
    return [from_plain(Site, json.loads(body)) for body in bodies]


def verdict_columns(
    results: Sequence[Verdict | FailedVerdict], keys: dict[str, str]
) -> dict[str, Any]:
    """Return the columns of verdicts and failures.

    Parameters
    ----------
    keys : dict
        For every site id the `site_key` of what was judged.
    """
    import pyarrow

    verdicts = [result if isinstance(result, Verdict) else None for result in results]
    return {
        "site": [result.site_id for result in results],
        "key": [keys[result.site_id] for result in results],
        "task": [result.task.value for result in results],
        "partner": np.array([result.partner_supervoxel or 0 for result in results], np.uint64),
        "failed": np.array([each is None for each in verdicts], np.bool_),
        "model": [None if each is None else each.provenance.model_id for each in verdicts],
        "probability": pyarrow.array(
            [None if each is None else each.probability for each in verdicts], pyarrow.float64()
        ),
        "body": [to_json(result) for result in results],
    }


def read_verdicts(folder: ResultFolder, kind: str, name: str) -> list[Verdict | FailedVerdict]:
    """Return the verdicts and failures of a file, in its order."""
    table = folder.read(kind, name, ["failed", "body"])
    rows = zip(table.column("failed").to_pylist(), table.column("body").to_pylist(), strict=True)
    return [
        from_plain(FailedVerdict, json.loads(body))
        if failed
        else from_plain(Verdict, json.loads(body))
        for failed, body in rows
    ]


def write_part(
    folder: ResultFolder, kind: str, name: str, part: TouchingPart, about: dict[str, object]
) -> None:
    """Write what some blocks hold of contacts; the patches come last and make it whole."""
    _write_labels(folder, kind, name, {"label": part.labels, "voxels": part.voxels})
    patches = part.patches
    columns = {"a": patches.pairs[:, 0], "b": patches.pairs[:, 1], "measured": patches.measured}
    for axis, letter in enumerate("zyx"):
        columns |= {
            f"faces_{letter}": patches.faces[:, axis],
            f"sum_{letter}": patches.sums[:, axis],
            f"middle_{letter}": patches.middle[:, axis],
        }
    folder.write(kind, name, columns, about=about)


def read_part(folder: ResultFolder, kind: str, name: str) -> TouchingPart:
    """Return what `write_part` wrote."""
    labels = folder.read(f"{kind}/{LABELS}", name)
    table = folder.read(kind, name)

    def columns(word: str) -> NDArray[np.int64]:
        parts = [_numbers(table, f"{word}_{letter}") for letter in "zyx"]
        return np.stack(parts, axis=1).astype(np.int64)

    patches = Patches(
        np.stack([_numbers(table, "a"), _numbers(table, "b")], axis=1).astype(np.uint64),
        columns("faces"),
        _numbers(table, "measured"),
        columns("sum"),
        columns("middle"),
    )
    return TouchingPart(patches, _numbers(labels, "label"), _numbers(labels, "voxels"))


def write_links(
    folder: ResultFolder, kind: str, name: str, links: Links, about: dict[str, object]
) -> None:
    """Write what some blocks hold of the links inside segments."""
    folder.write(f"{kind}/roots", name, {"root": links.roots})
    write_part(folder, kind, name, links.part, {**about, "measured": links.measured})


def read_links(folder: ResultFolder, kind: str, name: str) -> Links:
    """Return what `write_links` wrote."""
    roots = _numbers(folder.read(f"{kind}/roots", name), "root")
    measured = bool(folder.about(kind, name)["measured"])
    return Links(read_part(folder, kind, name), roots, measured)


def pair_columns(pairs: Touching) -> dict[str, Any]:
    """Return the columns of touching pairs."""
    return {
        "a": pairs.pairs[:, 0],
        "b": pairs.pairs[:, 1],
        "area": pairs.area_nm2,
        "x": pairs.middle_nm[:, 0],
        "y": pairs.middle_nm[:, 1],
        "z": pairs.middle_nm[:, 2],
        "volume_a": pairs.volume_nm3[:, 0],
        "volume_b": pairs.volume_nm3[:, 1],
        "openness": pairs.openness,
    }


def pairs_of(table: Any) -> Touching:
    """Return the pairs of columns that `pair_columns` made."""
    return Touching(
        _beside(table, "a", "b").astype(np.uint64),
        _numbers(table, "area"),
        _beside(table, "x", "y", "z"),
        _beside(table, "volume_a", "volume_b"),
        _numbers(table, "openness"),
    )


def cut_columns(cuts: Sequence[Bottleneck]) -> dict[str, Any]:
    """Return the columns of weak cuts."""
    return {
        "root": np.array([cut.root for cut in cuts], np.uint64),
        "a": np.array([cut.supervoxels[0] for cut in cuts], np.uint64),
        "b": np.array([cut.supervoxels[1] for cut in cuts], np.uint64),
        **{
            axis: np.array([cut.point_nm[place] for cut in cuts], np.float64)
            for place, axis in enumerate("xyz")
        },
        "area": np.array([cut.area_nm2 for cut in cuts], np.float64),
        "weakness": np.array([cut.weakness for cut in cuts], np.float64),
    }


def cuts_of(table: Any) -> list[Bottleneck]:
    """Return the weak cuts of columns that `cut_columns` made."""
    return [
        Bottleneck(
            row["root"], (row["a"], row["b"]), (row["x"], row["y"], row["z"]),
            row["area"], row["weakness"],
        )
        for row in table.to_pylist()
    ]  # fmt: skip


def _write_labels(folder: ResultFolder, kind: str, name: str, columns: dict[str, Any]) -> None:
    folder.write(f"{kind}/{LABELS}", name, columns)


def _numbers(table: Any, name: str) -> NDArray[Any]:
    return np.asarray(table.column(name).to_numpy())


def _beside(table: Any, *names: str) -> NDArray[Any]:
    return np.stack([_numbers(table, name) for name in names], axis=1)
