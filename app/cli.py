"""The command line; every command imports what it needs inside its handler."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from app.commands.adapt import adapt
from app.commands.bench import bench
from app.commands.common import Datastack, Json, SessionFolder, show
from app.commands.dataset import dataset_app
from app.commands.evaluate import evaluate_app
from app.commands.models import models_app
from app.commands.plan import plan
from app.commands.quality import evidence, evidence_check, gold, link, report, sampling, triage
from app.commands.recover import recover
from app.commands.route import route
from app.commands.scan import scan
from app.commands.screenshots import screenshots
from app.commands.simulate import simulate
from app.commands.train import train_app
from app.console import console, progress_bar, show_error, table, to_json
from connectome.errors import InputError, ProofdeskError
from proofreading.sites import SiteKind

if TYPE_CHECKING:
    from app.services.opening import Opened

app = typer.Typer(
    name="proofdesk",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""
Proofread a connectome: find probable errors, see what a model thinks of each, answer with
one key, and send the accepted edits exactly once.

DATASTACK is an offline datastack's folder, `cave:NAME@SERVER` or `precomputed:URL`.
S is a session folder (`NAME.proofdesk`), created on first use.

A first look: `proofdesk demo`. Headless: `ingest`, `detect`, `judge`, `decide`, `export`, `score`.
""",
)

app.add_typer(train_app, name="train")
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(dataset_app, name="dataset")
app.add_typer(models_app, name="models")

Volume = "FILE[:key]: .npy, .npz, .h5, .zarr, TIFF or precomputed; zyx."


@app.command()
def ingest(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make.")],
    em: Annotated[str, typer.Option(help=f"Microscopy. {Volume}")],
    segmentation: Annotated[str, typer.Option(help=f"Automatic segmentation. {Volume}")],
    resolution: Annotated[
        tuple[float, float, float], typer.Option(help="Voxel edges X Y Z in nm.", metavar="X Y Z")
    ],
    name: Annotated[str, typer.Option(help="Name of the datastack, offline_NAME.")],
    supervoxels: Annotated[
        str | None, typer.Option(help=f"Supervoxels; made by a watershed if absent. {Volume}")
    ] = None,
    groundtruth: Annotated[str | None, typer.Option(help=f"Truth, for scores. {Volume}")] = None,
    as_json: Json = False,
) -> None:
    """Turn volumes into an offline datastack with a CAVE-compatible graph."""
    from app.services.ingesting import ingest_files

    with progress_bar(quiet=as_json) as report:
        summary = ingest_files(
            out,
            em=em,
            segmentation=segmentation,
            supervoxels=supervoxels,
            groundtruth=groundtruth,
            resolution=resolution,
            name=name,
            report=report,
        )
    show(f"Ingested into {out}", summary, as_json=as_json)


@app.command()
def serve(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of an offline datastack.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    token: Annotated[
        str | None, typer.Option(help="32 hexadecimal digits; made new if absent.", metavar="HEX")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="Let something go wrong on purpose, such as drop-after:merge:p=0.2.",
            metavar="SPEC",
        ),
    ] = None,
    fault_seed: Annotated[int, typer.Option(help="Which requests the faults hit.")] = 0,
) -> None:
    """Serve an offline datastack to caveclient, CloudVolume and Neuroglancer, until Ctrl+C."""
    from connectome.offline.service import Faults, RunningService, run

    def ready(service: RunningService) -> None:
        table(
            "Serving on this machine only; Ctrl+C ends it.",
            [
                ("server", service.url),
                ("datastack", service.address.name),
                ("token", service.token),
            ],
        )

    run(out, port=port, token=token, ready=ready, faults=Faults(fault or (), fault_seed))


offline_app = typer.Typer(no_args_is_help=True, help="Look after an offline datastack.")
app.add_typer(offline_app, name="offline")


@offline_app.command("check")
def offline_check(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of an offline datastack.")],
    as_json: Json = False,
) -> None:
    """Verify every invariant of an offline datastack; it may be served meanwhile."""
    from app.services.offline import check_folder

    with progress_bar(quiet=as_json) as report:
        found = check_folder(out, report)
    if as_json:
        console().print(to_json({"ok": found.ok, **vars(found)}), soft_wrap=True, markup=False)
    else:
        for finding in found.findings:
            mark = "[green]✓[/green]" if finding.ok else "[red]✗[/red]"
            note = f"  [dim]{finding.note}[/dim]" if finding.note else ""
            line = f"{mark} {finding.invariant} ({finding.looked_at:,}){note}"
            console().print(line, soft_wrap=True)
            for text in finding.broken:
                console().print(f"    {text}", soft_wrap=True, markup=False)
    raise typer.Exit(0 if found.ok else 2)


@offline_app.command("log")
def offline_log(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of an offline datastack.")],
    last: Annotated[int | None, typer.Option(help="Only so many of the latest.", min=0)] = None,
    as_json: Json = False,
) -> None:
    """Print the operations that were sent to an offline datastack, oldest first."""
    from app.services.offline import read_log

    lines = read_log(out, last)
    if as_json:
        console().print(to_json({"operations": lines}), soft_wrap=True, markup=False)
        return
    for line in lines:
        done = f"-> {' '.join(line.roots)}" if line.applied else "refused:"
        text = f"{line.operation_id:>6}  {line.time:%Y-%m-%d %H:%M:%S}  {line.kind:<6}"
        console().print(f"{text}  {done} {line.note}".rstrip(), soft_wrap=True, markup=False)


@app.command()
def detect(
    datastack: Datastack,
    session: Annotated[Path, typer.Option("--session", metavar="S", help="Session folder.")],
    kind: Annotated[
        list[SiteKind] | None,
        typer.Option(help="What to look for, several; what beats chance if absent."),
    ] = None,
    against_groundtruth: Annotated[
        bool, typer.Option("--against-groundtruth", help="Print recall and precision as well.")
    ] = False,
    ignore: Annotated[
        list[int] | None, typer.Option(help="Truth bodies to leave out of every count.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find candidate sites (contacts, weak cuts, tips …) and add them to a session."""
    from app.services.detecting import detect_into

    with progress_bar(quiet=as_json) as report:
        summary = detect_into(
            datastack,
            session,
            kinds=frozenset(kind) if kind else None,
            against_groundtruth=against_groundtruth,
            ignore=tuple(ignore or ()),
            report=report,
        )
    show("Sites", summary, as_json=as_json)


@app.command()
def chance(
    session: SessionFolder,
    ignore: Annotated[
        list[int] | None, typer.Option(help="Truth bodies to leave out of every count.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare what was detected with chance, where there is a truth; ask before exporting."""
    from app.services.against_chance import chance_of_session
    from app.services.chance_table import chance_lines

    with progress_bar(quiet=as_json) as report:
        found = chance_of_session(session, ignore=tuple(ignore or ()), report=report)
    text = to_json(found) if as_json else "\n".join(chance_lines(found))
    console().print(text, soft_wrap=True, markup=False)


@app.command()
def judge(
    session: SessionFolder,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model id or folder, several; the bundled ones if absent."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Retry failed verdicts too.")] = False,
    held_out: Annotated[
        bool,
        typer.Option(
            "--held-out", help="Each model judges only where it was not trained, to be tested."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Let the models give their verdicts on every site that has none."""
    from app.services.judging import judge_session

    with progress_bar(quiet=as_json) as report:
        summary = judge_session(
            session, models=tuple(model or ()), again=again, held_out=held_out, report=report
        )
    show("Verdicts", summary, as_json=as_json)


@app.command()
def decide(
    session: SessionFolder,
    accept_above: Annotated[
        float | None, typer.Option(help="Accept above this probability.", min=0, max=1)
    ] = None,
    reject_below: Annotated[
        float | None, typer.Option(help="Reject below this probability.", min=0, max=1)
    ] = None,
    target_error: Annotated[
        float | None,
        typer.Option(help="Decide where the chance of a mistake is at most this.", min=0, max=0.5),
    ] = None,
    unlock: Annotated[
        bool,
        typer.Option("--unlock", help="Decide although your own decisions do not confirm it yet."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Decide automatically where the model is sure; recorded as automatic decisions."""
    from app.services.deciding import chosen_thresholds, decide_automatically

    above, below = chosen_thresholds(accept_above, reject_below, target_error)
    summary = decide_automatically(session, accept_above=above, reject_below=below, unlock=unlock)
    show("Decisions", summary, as_json=as_json)


@app.command()
def export(
    session: SessionFolder,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would be sent.")
    ] = False,
    tables: Annotated[
        Path | None, typer.Option(help="Write decisions.csv and decisions.json here as well.")
    ] = None,
    ignore: Annotated[
        list[int] | None, typer.Option(help="Truth bodies to leave out when merges are checked.")
    ] = None,
    rows: Annotated[
        bool | None,
        typer.Option(
            "--rows/--no-rows",
            help="A row for each applied edit in the datastack's annotation tables; "
            "by default only offline.",
        ),
    ] = None,
    override_warnings: Annotated[
        bool,
        typer.Option(help="Send edits that a warning holds; recorded with your name."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Send accepted edits, each exactly once; run it again after any failure."""
    from app.services.exporting import export_session

    with progress_bar(quiet=as_json) as report:
        summary = export_session(
            session,
            dry_run=dry_run,
            tables=tables,
            ignore=tuple(ignore or ()),
            rows=rows,
            override_warnings=override_warnings,
            report=report,
        )
    if not as_json:
        for line in (*summary.lines, *summary.changes):
            console().print(line, markup=False)
    show("Dry run: nothing was sent" if dry_run else "Edits", summary, as_json=as_json)


@app.command()
def render(
    session: SessionFolder,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the pictures.")],
    site: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Which site; several with --sheet.")
    ] = None,
    size: Annotated[int, typer.Option(help="Width in pixels.", min=224, max=1024)] = 512,
    sheet: Annotated[
        bool, typer.Option("--sheet", help="Pages of many sites, in the order of the queue.")
    ] = False,
    limit: Annotated[int | None, typer.Option(help="--sheet: sites at most.", min=1)] = None,
    only: Annotated[
        str, typer.Option(metavar="WORDS", help='--sheet: as in the queue, "endpoint >0.8 open".')
    ] = "",
    as_json: Json = False,
) -> None:
    """Write the pictures of a site, or a contact sheet of many, and how they were made."""
    sites = site or []
    if not sheet:
        from app.services.rendering import render_site

        if len(sites) != 1:
            raise InputError("Say what to draw.", "Give one --site ID, or --sheet.")
        summary = render_site(session, sites[0], out, size_px=size)
        for each in () if as_json else summary.missing:
            line = f"{each['picture']}: {each['state']}. {each['reason']}"
            console(to_stderr=True).print(line, markup=False, soft_wrap=True)
        show(f"Pictures of {summary.site}", summary, as_json=as_json)
        raise typer.Exit(summary.exit_code)
    from app.services.contact_sheet import render_sheet

    with progress_bar(quiet=as_json) as report:
        pages = render_sheet(session, out, sites=sites, limit=limit, words=only, report=report)
    show("Contact sheet", pages, as_json=as_json)


@app.command()
def history(
    datastack: Datastack,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Edits as JSON lines; a cut-off import goes on.")
    ],
    roots: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Segment ids, one a line.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Instead: all segments changed since then (UTC).")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Edits too that left no trace in the segment.")
    ] = False,
    per_second: Annotated[float, typer.Option(help="Requests a second at most.", min=0.01)] = 2.0,
    users: Annotated[
        bool, typer.Option("--users/--no-users", help="Write who made each edit (personal data).")
    ] = True,
    as_json: Json = False,
) -> None:
    """Bring the edit history of a dataset from its server into a file; may be killed any time."""
    from app.services.history import import_history, read_roots

    with progress_bar(quiet=as_json) as report:
        summary = import_history(
            datastack,
            out,
            roots=None if roots is None else read_roots(roots),
            since=since,
            everything=everything,
            per_second=per_second,
            users=users,
            report=report,
        )
    for line in () if as_json else summary.skipped:
        console().print(line, markup=False)
    show(f"History in {out}", summary, as_json=as_json)


@app.command()
def score(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of an offline datastack.")],
    ignore: Annotated[
        list[int] | None, typer.Option(help="Truth bodies to leave out of every count.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the current roots with the truth: variation of information and error counts."""
    from app.services.scoring import score_folder

    show("Score", score_folder(out, ignore=tuple(ignore or ())), as_json=as_json)


@app.command("open")
def open_(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATASTACK|S|SCAN|LINK]",
            help="What to open, also the folder of a scan; asked for if absent.",
        ),
    ] = None,
    session: Annotated[
        Path | None, typer.Option("--session", metavar="S", help="Session for a datastack.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="ID|FOLDER",
            help="A model to use, also several; language models are asked where others are unsure.",
        ),
    ] = None,
) -> None:
    """Open the window on a datastack, a session, a scan as it grows, or at the site of a link."""
    from app.services.links import follow_link, is_link
    from app.services.opening import resolve
    from app.ui.application import choose_session

    opened: Opened | None
    if target is not None and is_link(target):
        opened = follow_link(target, session)
    else:
        opened = resolve(target, session) if target or session else choose_session()
    if opened is None:
        raise typer.Exit(0)
    raise typer.Exit(_window(replace(opened, models=tuple(model or ()))))


@app.command()
def demo(
    screenshots: Annotated[
        Path, typer.Option(help="Where the pictures of a run without a screen go.")
    ] = Path("artifacts"),
    headless: Annotated[
        bool, typer.Option("--headless", help="Drive the window offscreen even with a screen.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Open the bundled demo; without a screen, run its whole loop in the real window offscreen."""
    from app.services.demo import ensure_demo
    from app.ui.platform import screen_is_reachable

    with progress_bar(quiet=as_json) as report:
        opened = ensure_demo(report=report)
    if not headless and screen_is_reachable(os.environ):
        raise typer.Exit(_window(opened))
    from app.ui.drive import drive_demo

    show("The whole loop, offscreen", drive_demo(opened, screenshots), as_json=as_json)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Tell what is installed, which GPU is used, what is missing and how to mend it."""
    from app.services.doctor import examine

    findings = examine()
    if as_json:
        console().print(to_json({"findings": findings}), soft_wrap=True, markup=False)
    else:
        for finding in findings:
            mark = "[green]✓[/green]" if finding.ok else "[red]✗[/red]"
            remedy = f"  [dim]{finding.remedy}[/dim]" if finding.remedy else ""
            console().print(f"{mark} {finding.what:<24} {finding.value}{remedy}", soft_wrap=True)
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 3)


app.command()(adapt)
app.command()(simulate)
app.command()(plan)
app.command()(scan)
app.command()(triage)
app.command()(route)
app.command()(report)
app.command()(evidence)
app.command("evidence-check")(evidence_check)
app.command()(sampling)
app.command()(gold)
app.command()(link)
app.command()(recover)
app.command()(screenshots)
app.command()(bench)


def _window(opened: Opened) -> int:
    """Open the window on a session and return its exit status."""
    from app.services.starting import remember
    from app.services.workbench import launch
    from app.ui.application import run_window

    try:
        remember(opened.session)
    except ProofdeskError as error:
        # A list of recent sessions is no reason not to open one.
        show_error(error.message, error.hint)
    return run_window(lambda post: launch(opened, post), title=opened.session.stem)


def _fail(error: ProofdeskError) -> NoReturn:
    show_error(error.message, error.hint)
    raise SystemExit(error.exit_code)


def main() -> None:
    """Run the command line; every expected error becomes a sentence and an exit code."""
    from app.services.doctor import check_home

    try:
        check_home()
        app(standalone_mode=True)
    except ProofdeskError as error:
        _fail(error)
    except KeyboardInterrupt:
        sys.exit(130)
