"""Commands around the models on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import Json
from app.console import console, progress_bar, table, to_json

__all__ = ["models_app"]

models_app = typer.Typer(
    no_args_is_help=True, help="Models on this machine: listed, pulled, verified, removed."
)

ModelId = Annotated[str, typer.Argument(metavar="ID", help="OWNER/NAME, as on the model's page.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_GB = 1e9


@models_app.command("list")
def list_(as_json: Json = False) -> None:
    """List the bundled judges and the language models that were pulled."""
    from inference.models.hub_store import pulled_models
    from inference.models.registry import list_models

    rows: list[dict[str, object]] = [
        {"id": manifest.id, "kind": "bundled", "task": manifest.task.value, "folder": str(path)}
        for path, manifest in list_models()
    ]
    for pulled in pulled_models():
        rows.append(
            {
                "id": pulled.plan.id,
                "kind": "pulled",
                "gigabytes": round(pulled.plan.size / _GB, 3),
                "licence": pulled.plan.licence,
                "missing": list(pulled.missing),
                "folder": str(pulled.folder),
            }
        )
    if as_json:
        console().print(to_json({"models": rows}), soft_wrap=True, markup=False)
    else:
        table("Models", [(str(row["id"]), _told(row)) for row in rows])


@models_app.command("pull")
def pull_(
    model: ModelId,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit.")] = "main",
    hub: Annotated[
        str, typer.Option(help="Address of the hub.", envvar="PROOFDESK_HUB")
    ] = "https://huggingface.co",
    yes: Annotated[bool, typer.Option("--yes", help="Accept the licence without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Download a language model: licence first, then its files, going on where it was cut off."""
    from inference.models.hub import offer_of, pull

    offer = offer_of(model, revision, endpoint=hub)
    out = console(to_stderr=True)
    size = f"{len(offer.plan.files)} files, {offer.plan.size / _GB:.2f} GB"
    out.print(f"{model}: {size}. Licence: {offer.plan.licence}", markup=False, soft_wrap=True)
    if offer.licence_text:
        out.print(offer.licence_text, markup=False)
    out.print(f"More: {offer.page}", markup=False, soft_wrap=True)
    if not yes:
        typer.confirm("Do you accept this licence, and download the model?", abort=True, err=True)
    with progress_bar(quiet=as_json) as bar:
        pulled = pull(offer, bar)
    told = {"id": model, "folder": str(pulled.folder), "gigabytes": pulled.plan.size / _GB}
    if as_json:
        console().print(to_json(told), soft_wrap=True, markup=False)
    else:
        table("Pulled", list(told.items()))


@models_app.command("verify")
def verify_(model: ModelId, as_json: Json = False) -> None:
    """Hash every file of a pulled model; exit status 3 if one is not as published."""
    from inference.models.hub_store import verify_model

    with progress_bar(quiet=as_json) as bar:
        wrong = verify_model(model, bar)
    if as_json:
        told = {"id": model, "ok": not wrong, "wrong": wrong}
        console().print(to_json(told), soft_wrap=True, markup=False)
    else:
        for sentence in wrong or [f"{model} is complete and as published"]:
            console().print(sentence, markup=False, soft_wrap=True)
    raise typer.Exit(3 if wrong else 0)


@models_app.command("remove")
def remove_(model: ModelId, yes: Yes = False, as_json: Json = False) -> None:
    """Remove a pulled model from this machine."""
    from inference.models.hub_store import remove_model

    if not yes:
        typer.confirm(f"Remove {model} from this machine?", abort=True, err=True)
    freed = remove_model(model) / _GB
    if as_json:
        console().print(to_json({"id": model, "freed_gigabytes": freed}), soft_wrap=True)
    else:
        table("Removed", [("model", model), ("freed, GB", freed)])


def _told(row: dict[str, object]) -> str:
    if row["kind"] == "bundled":
        return f"bundled, {row['task']}, {Path(str(row['folder'])).name}"
    missing = row["missing"]
    assert isinstance(missing, list)
    state = f"incomplete: {len(missing)} files missing" if missing else "complete"
    return f"pulled, {row['gigabytes']} GB, {state}, licence {row['licence']}"
