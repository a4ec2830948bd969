"""The detectors beside chance, as a Markdown table."""

from __future__ import annotations

from collections.abc import Iterator

from app.services.against_chance import ChanceReport
from proofreading.detection.chance import AgainstChance, Share

__all__ = ["chance_lines"]


def chance_lines(report: ChanceReport) -> Iterator[str]:
    """Yield the lines of the two tables: detectors, and the way from sites to edits."""
    yield f"{report.split_errors} split errors and {report.merge_errors} merge errors"
    yield ""
    yield "| detector | within nm | sites | recall | by chance | precision | by chance | beats it |"
    yield "|" + "---|" * 8
    for row in report.detectors:
        yield _line(row)
    yield ""
    yield "| stage | questions | right | split errors still reached |"
    yield "|" + "---|" * 4
    for stage in report.funnel:
        reached = f"{stage.reachable_errors} of {stage.errors}"
        yield f"| {stage.stage} | {stage.questions} | {stage.right} | {reached} |"


def _line(row: AgainstChance) -> str:
    cells = [
        row.detector,
        f"{row.radius_nm:g}",
        str(row.sites),
        *(_share(s) for s in (row.recall, row.chance_recall, row.precision, row.chance_precision)),
        "yes" if row.beats_chance else "no",
    ]
    return "| " + " | ".join(cells) + " |"


def _share(share: Share) -> str:
    if share.value is None:
        return "–"
    if share.low is None or share.high is None:
        return f"{share.value:.3f}"
    return f"{share.value:.3f} [{share.low:.2f}–{share.high:.2f}]"
