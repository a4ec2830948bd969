"""Commands around data sets of labelled questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.common import Json, show
from app.console import console, progress_bar, table
from connectome.errors import InputError
from proofreading.verdicts import Task

if TYPE_CHECKING:
    from app.services.datasets import DatasetTold

__all__ = ["dataset_app"]

dataset_app = typer.Typer(
    no_args_is_help=True, help="Data sets of labelled questions: made, checked, exchanged."
)

SetFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a data set.")]


@dataset_app.command("build")
def build_(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Truth folder, DATASTACK, or a file of edits.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    task: Annotated[
        list[Task] | None,
        typer.Option(help="A question, several; all that have answers if absent."),
    ] = None,
    name: Annotated[str, typer.Option(help="What it is called.")] = "",
    log: Annotated[
        Path | None, typer.Option(help="File of the datastack's edits, from `proofdesk history`.")
    ] = None,
    bodies: Annotated[
        str, typer.Option(help="`one part` keeps each true body in one part, `any` does not.")
    ] = "one part",
    block: Annotated[float, typer.Option(help="Edge of the blocks that are divided, nm.")] = 10_000,
    test_from_z: Annotated[
        float | None, typer.Option(help="Test exactly what lies from here on along z, nm.")
    ] = None,
    most: Annotated[int | None, typer.Option(help="Samples of a task and source at most.")] = None,
    ignore: Annotated[list[int] | None, typer.Option(help="Truth bodies to leave out.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder where skeletons are kept.")] = None,
    as_json: Json = False,
) -> None:
    """Make a data set whose test is honest; what leaks is not written."""
    from app.services.datasets import build
    from connectome.space import BoxNm
    from inference.datasets.build import BuildSettings
    from inference.datasets.parts import PartSettings

    if bodies not in ("one part", "any"):
        raise InputError(f"--bodies cannot be {bodies!r}.", "Choose `one part` or `any`.")
    far = 1e9
    boxes = () if test_from_z is None else (BoxNm((-far, -far, test_from_z), (far, far, far)),)
    parts = PartSettings(
        block_nm=(block, block, block),
        test_boxes=boxes,
        bodies="any" if bodies == "any" else "one part",
    )
    called = name or Path(source).stem
    settings = BuildSettings(called, tuple(task or ()), parts, most)
    with progress_bar(quiet=as_json) as report:
        told = build(
            source, out, settings, log=log, ignore=tuple(ignore or ()), cache=cache, report=report
        )
    _tell(told, as_json=as_json)


@dataset_app.command("info")
def info_(folder: SetFolder, as_json: Json = False) -> None:
    """Tell what a data set holds."""
    from app.services.datasets import checked

    _tell(checked(folder, again=False), as_json=as_json)


@dataset_app.command("check")
def check_(folder: SetFolder, as_json: Json = False) -> None:
    """Look for leaks between the parts of a data set; exit status 5 if there are any."""
    from app.services.datasets import checked

    told = checked(folder, again=True)
    _tell(told, as_json=as_json)
    raise typer.Exit(5 if told.leaks else 0)


@dataset_app.command("import")
def import_(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="Operation bank, ConnectomeBench2 folder, edits or events."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    dataset: Annotated[str, typer.Option(help="The datastack it is about.")] = "",
    later: Annotated[
        Path | None, typer.Option(help="Operation bank with the edits that came later.")
    ] = None,
    cubes: Annotated[Path | None, typer.Option(help="Folder of a published cube split.")] = None,
    buffer: Annotated[float, typer.Option(help="Without a split: nm between cubes.")] = 0.0,
    as_json: Json = False,
) -> None:
    """Bring labelled questions of another format in."""
    from app.services.datasets import import_set

    told = import_set(path, out, dataset=dataset, later=later, cubes=cubes, buffer_nm=buffer)
    _tell(told, as_json=as_json)


@dataset_app.command("export")
def export_(
    folder: SetFolder,
    out: Annotated[Path, typer.Option(help="New folder (cb2-v2) or file (operation-bank).")],
    format_: Annotated[str, typer.Option("--format", help="cb2-v2 or operation-bank.")] = "cb2-v2",
    datastack: Annotated[
        str | None, typer.Option(help="DATASTACK to make pictures from; none if absent.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Moves and widens the views.")] = 0,
    as_json: Json = False,
) -> None:
    """Write a data set in a format of others."""
    from app.services.datasets import export_set
    from inference.datasets.formats.base import Format

    if format_ not in (Format.CB2_V2.value, Format.OPERATION_BANK.value):
        raise InputError(
            f"The format {format_!r} is not written.", "Choose cb2-v2 or operation-bank."
        )
    told = export_set(folder, out, Format(format_), datastack=datastack, seed=seed)
    show(f"Written to {out}", told, as_json=as_json)


def _tell(told: DatasetTold, *, as_json: bool) -> None:
    if as_json:
        show("", told, as_json=True)
        return
    rows: list[tuple[str, object]] = [
        ("samples", told.samples),
        ("synthetic", told.synthetic),
        ("sha256", told.sha256[:16]),
        *told.by_task.items(),
        *((f"left out: {reason}", count) for reason, count in told.excluded.items()),
    ]
    table(f"{told.name} in {told.folder}", rows)
    for leak in told.leaks:
        console(to_stderr=True).print(f"leak: {leak}", markup=False, soft_wrap=True)
