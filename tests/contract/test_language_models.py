"""A process of our own and a server behind HTTP answer alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="a language model needs the extra `vlm`")
pytest.importorskip("peft", reason="a language model needs the extra `vlm`")

from inference.judges.vlm.asking import ask_likelihoods
from inference.judges.vlm.encoding import Question
from inference.judges.vlm.model import LoadSettings, load_model
from inference.judges.vlm.process import Patience, VlmProcess
from inference.judges.vlm.protocol import Asked, Load, picture_from
from inference.judges.vlm.remote import RemoteModel, RemoteSettings
from inference.judges.vlm.remote_http import RemoteAddress
from tests.contract.language_model_contract import LanguageModelContract, Running
from tests.tiny_vlm import write_tiny_vlm
from tests.vlm_server import ModelServer, serving_model

QUICK = Patience(silence_s=60.0, first_pause_s=0.05, stop_s=5.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_vlm(tmp_path_factory.mktemp("vlm"))


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[ModelServer]:
    with serving_model(ModelServer(folder)) as made:
        yield made


def _expected(folder: Path, asked: list[Asked]) -> list[float]:
    shown = [Question(each.prompt(), tuple(map(picture_from, each.pictures))) for each in asked]
    return ask_likelihoods(load_model(LoadSettings(str(folder), device="cpu")), shown)


class TestProcess(LanguageModelContract):
    @pytest.fixture
    def running(self, folder: Path) -> Iterator[Running]:
        made = VlmProcess(Load(model=str(folder), device="cpu"), patience=QUICK)
        yield Running(made, lambda asked: _expected(folder, asked))
        made.close()


def _hold(served: ModelServer, back: bool) -> None:
    if back:
        served.hold.clear()
    else:
        served.hold.set()


class TestServer(LanguageModelContract):
    @pytest.fixture
    def running(self, folder: Path, served: ModelServer) -> Iterator[Running]:
        made = RemoteModel(RemoteSettings(RemoteAddress(served.url)), patience=QUICK)
        yield Running(
            made, lambda asked: _expected(folder, asked), lambda back: _hold(served, back)
        )
        made.close()
