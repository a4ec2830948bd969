"""The commands that tell how good the work is, and how much of it there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import Json, SessionFolder, show
from app.console import progress_bar
from connectome.errors import InputError

__all__ = ["evidence", "evidence_check", "gold", "link", "report", "sampling", "triage"]


def triage(
    session: SessionFolder,
    error: Annotated[
        float | None,
        typer.Option(help="Accepted error, 0.001 to 0.2; that of the session's dial if absent."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell how many open sites need no person, a quick look, or a full review."""
    from app.services.triage import triage_session

    show("Lanes", triage_session(session, error), as_json=as_json)


def report(
    session: SessionFolder,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for report.html and .png.")],
    as_json: Json = False,
) -> None:
    """Write how the session goes: pace, agreement, calibration, edits, and what is left."""
    from app.services.dashboard import write_report

    show(f"Report in {out}", write_report(session, out), as_json=as_json)


def evidence(
    session: SessionFolder,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the bundles.")],
    edit: Annotated[str | None, typer.Option(metavar="ID", help="Of which edit.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Of every edit.")] = False,
    zipped: Annotated[bool, typer.Option("--zip", help="One zip for each edit.")] = False,
    as_json: Json = False,
) -> None:
    """Write why edits were made: pictures seen, verdicts, answers, times, operation; hashed."""
    from app.services.evidence import write_evidence

    if (edit is None) == (not every):
        raise InputError("Say of which edit.", "Give --edit ID, or --all.")
    with progress_bar(quiet=as_json) as bar:
        summary = write_evidence(session, out, edit_id=edit, zipped=zipped, report=bar)
    show(f"Evidence in {out}", summary, as_json=as_json)


def evidence_check(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle, folder or zip.")],
    as_json: Json = False,
) -> None:
    """Tell whether a bundle is as it was written."""
    from proofreading.evidence import check_bundle

    checked = check_bundle(bundle)
    show("Intact" if checked.intact else "Not as it was written", checked, as_json=as_json)
    raise typer.Exit(0 if checked.intact else 2)


def sampling(
    session: SessionFolder,
    blind: Annotated[
        float | None, typer.Option(help="Share of sites whose verdict is hidden at first.")
    ] = None,
    audit: Annotated[
        float | None, typer.Option(help="Share of the automatic lane that a person looks at.")
    ] = None,
    gold: Annotated[
        float | None, typer.Option(help="Share of the sites with known answers to mix in.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Draws other sites.")] = None,
    as_json: Json = False,
) -> None:
    """Set how much of the work measures the work; without options, tell how it is set."""
    from app.services.sampling import choose_sampling

    chosen = choose_sampling(session, blind=blind, audit=audit, gold=gold, seed=seed)
    show("Sampling", chosen, as_json=as_json)


def gold(
    session: SessionFolder,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="CSV: site, answer, partner_supervoxel.")
    ] = None,
    from_truth: Annotated[
        int | None,
        typer.Option(metavar="N", help="N random pairs, by the datastack's truth.", min=1),
    ] = None,
    seed: Annotated[int, typer.Option(help="--from-truth: which pairs.")] = 0,
    as_json: Json = False,
) -> None:
    """Add sites whose right answer is known, to be mixed in and to measure the person by."""
    from app.services.sampling import add_gold, add_gold_from_truth

    if file is not None and from_truth is None:
        added = add_gold(session, file)
    elif file is None and from_truth is not None:
        added = add_gold_from_truth(session, from_truth, seed=seed)
    else:
        raise InputError("Say where the answers are from.", "Give a file, or --from-truth N.")
    show("Known answers added", added, as_json=as_json)


def link(
    session: SessionFolder,
    site: Annotated[str, typer.Argument(metavar="SITE", help="Its id, from queue or tables.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file; SITE.proofdesk-link if absent.")
    ] = None,
    server: Annotated[
        bool, typer.Option("--server", help="On the datastack's CAVE server, for any Neuroglancer.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Share a site: as a file, or as a view on the CAVE server; open it with `open LINK`."""
    from app.services.links import share_site

    show("Link", share_site(session, site, out=out, server=server), as_json=as_json)
