"""The command that measures a language model."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.common import Json
from app.console import console, to_json

if TYPE_CHECKING:
    from inference.judges.vlm.backend import LanguageModel
    from inference.judges.vlm.protocol import Load

__all__ = ["evaluate_vlm_"]


def evaluate_vlm_(
    model: Annotated[str, typer.Option(help="Folder that `train vlm` made.")],
    data: Annotated[Path, typer.Option(help="Folder of a data set with a test part.")],
    datastack: Annotated[str, typer.Option(help="DATASTACK that the data set was built from.")],
    cache: Annotated[
        Path | None, typer.Option(help="Folder for pictures; beside the model if absent.")
    ] = None,
    most: Annotated[int | None, typer.Option(help="Questions at most.", min=1)] = None,
    votes: Annotated[int, typer.Option(help="Sampled answers to each question.", min=0)] = 5,
    temperature: Annotated[float, typer.Option(help="How free the sampling is.", min=0.01)] = 0.7,
    answers: Annotated[
        Path | None, typer.Option(help="Write every prompt, answer and label as Parquet here.")
    ] = None,
    server: Annotated[
        str, typer.Option(help="Ask this chat-completions server instead of a process of ours.")
    ] = "",
    server_model: Annotated[str, typer.Option(help="As that server calls it.")] = "",
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A host other than this machine that may be asked.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure a language model and its ablations: no adapter, no pictures, no words, no reasons."""
    from connectome.opening import open_datastack
    from inference.evaluation.vlm.run import Votes, evaluate_vlm, write_said
    from inference.judges.vlm.process import VlmProcess
    from inference.models.registry import find_model

    folder = find_model(model)
    start = _served(server, server_model, allow_host or ()) if server else VlmProcess
    say = None if as_json else console(to_stderr=True).print
    opened = open_datastack(datastack)
    try:
        found = evaluate_vlm(
            folder,
            data,
            opened,
            cache=cache or folder.path / "pictures",
            most=most,
            votes=Votes(votes, temperature),
            say=say,
            start=start,
        )
    finally:
        opened.close()
    if answers is not None:
        write_said(found.said, answers)
    text = to_json(found.as_json()) if as_json else found.as_table()
    console().print(text, soft_wrap=True, markup=False)


def _served(url: str, model: str, hosts: Sequence[str]) -> Callable[[Load], LanguageModel]:
    """Return what makes a model behind a server, and say where pictures go."""
    from inference.judges.vlm.remote import RemoteModel, RemoteSettings
    from inference.judges.vlm.remote_http import RemoteAddress

    key = os.environ.get("PROOFDESK_SERVER_KEY", "")
    address = RemoteAddress(url, tuple(host.lower() for host in hosts), key)
    console(to_stderr=True).print(address.notice, markup=False, soft_wrap=True)
    return lambda _: RemoteModel(RemoteSettings(address, model))
