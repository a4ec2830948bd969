"""A model server: where pictures may go, what is told, and what can go wrong with it."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="a language model needs the extra `vlm`")
pytest.importorskip("peft", reason="a language model needs the extra `vlm`")

from connectome.errors import InputError, ModelError
from inference.judges.vlm.judge import VlmJudge
from inference.judges.vlm.process import Health, Patience
from inference.judges.vlm.remote import RemoteModel, RemoteSettings
from inference.judges.vlm.remote_http import RemoteAddress, is_server
from inference.judges.vlm.remote_wire import choice_logit, read_completion, votes_logit
from proofreading.verdicts import FailedVerdict, Verdict
from tests.contract.language_model_contract import answered, questions
from tests.language_models import FlatViews, language_folder
from tests.slabs import slab_sites, slabs
from tests.tiny_vlm import write_tiny_vlm
from tests.vlm_server import ModelServer, serving_model

QUICK = Patience(first_pause_s=0.02, most_losses=3)
WAIT_S = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_vlm(tmp_path_factory.mktemp("vlm"))


@pytest.fixture
def served(folder: Path) -> Iterator[ModelServer]:
    with serving_model(ModelServer(folder)) as made:
        yield made


@pytest.fixture
def settings(served: ModelServer) -> RemoteSettings:
    return RemoteSettings(RemoteAddress(served.url, key="secret"))


@pytest.fixture
def model(settings: RemoteSettings) -> Iterator[RemoteModel]:
    made = RemoteModel(settings, patience=QUICK)
    made.start()
    yield made
    made.close()


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.7:8000/v1", "https://models.example.org/v1", "http://127.0.0.1.example.org/v1"],
)
def test_only_this_machine_and_allowed_hosts_are_asked(url: str) -> None:
    with pytest.raises(InputError, match="not among the allowed hosts"):
        RemoteAddress(url)
    host = url.split("//")[1].split("/")[0].split(":")[0]
    assert RemoteAddress(url, (host.upper(),)).host == host
    with pytest.raises(InputError, match="not among"):
        RemoteAddress(url, ("other.org",))


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "127.0.0.1:8000", "http://", "http://a@127.0.0.1/", "http://[::1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="no address"):
        RemoteAddress(url)


def test_the_notice_says_where_pictures_go() -> None:
    assert RemoteAddress("http://[::1]:1/v1").loopback
    here = RemoteAddress("http://localhost:8000/v1")
    assert here.notice == "Pictures leave this program to localhost (this machine)."
    far = RemoteAddress("https://gpu.lab.org/v1", ("gpu.lab.org",))
    assert far.notice == "Pictures leave this program to gpu.lab.org."
    plain = RemoteAddress("http://gpu.lab.org/v1", ("gpu.lab.org",))
    assert plain.notice.endswith("unencrypted.")
    assert "secret" not in repr(RemoteAddress("http://localhost/v1", key="secret"))
    assert is_server("http://localhost/v1")
    assert not is_server("Qwen/Qwen3-VL-4B-Instruct")


def test_a_judge_is_answered_by_a_server(
    folder: Path, model: RemoteModel, served: ModelServer, tmp_path: Path
) -> None:
    judge = VlmJudge(language_folder(tmp_path / "tiny", folder), model=model, views=FlatViews())
    verdicts = judge.judge_sites(slabs(), slab_sites())
    assert all(isinstance(verdict, Verdict) for verdict in verdicts)
    assert model.provider == "tiny at 127.0.0.1"
    assert "127.0.0.1" in model.notice
    body = served.bodies[0]
    kinds = [part["type"] for part in body["messages"][0]["content"]]
    assert kinds == ["text", *["image_url"] * 6, "text"]
    assert body["logprobs"] is True
    assert set(served.keys) == {"Bearer secret"}


@pytest.mark.parametrize("logprobs", ["leave out", "refuse"])
def test_without_probabilities_votes_count(
    model: RemoteModel, served: ModelServer, logprobs: str
) -> None:
    served.logprobs = logprobs
    pending = answered(model.ask(questions(1)))
    assert pending.failure is None
    logit = pending.answers[0].logit
    assert logit is not None
    # Five votes by Laplace's rule: the odds are (yes + 1) to (no + 1).
    odds = [math.log((yes + 1) / (6 - yes)) for yes in range(6)]
    assert any(logit == pytest.approx(each) for each in odds)
    votes = [body for body in served.bodies if body["temperature"] > 0]
    assert len(votes) == 5
    assert len({body["seed"] for body in votes}) == 5
    if logprobs == "refuse":
        assert sum("logprobs" in body for body in served.bodies) == 1


def test_what_cannot_be_read_fails_with_its_text(
    folder: Path, model: RemoteModel, served: ModelServer, tmp_path: Path
) -> None:
    served.guided = False
    judge = VlmJudge(language_folder(tmp_path / "tiny", folder), model=model, views=FlatViews())
    for verdict in judge.judge_sites(slabs(), slab_sites()):
        assert isinstance(verdict, FailedVerdict)
        assert verdict.text


def test_redirects_are_refused(model: RemoteModel, served: ModelServer) -> None:
    served.status, served.headers = 307, {"Location": "http://elsewhere.example.org/v1"}
    pending = answered(model.ask(questions(1)))
    assert pending.failure is not None
    assert "which is refused" in pending.failure.message


@pytest.mark.parametrize(
    ("status", "told"),
    [(401, "another key"), (404, "answered 404"), (500, "answered 500"), (503, "busy")],
)
def test_refusals_are_told(model: RemoteModel, served: ModelServer, status: int, told: str) -> None:
    served.status = status
    pending = answered(model.ask(questions(1)))
    assert pending.failure is not None
    assert told in pending.failure.message
    served.status = 200
    assert answered(model.ask(questions(1))).failure is None


def test_proxies_of_the_environment_are_not_used(
    settings: RemoteSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    made = RemoteModel(settings, patience=QUICK)
    made.start()
    try:
        assert answered(made.ask(questions(1))).failure is None
    finally:
        made.close()


def test_a_server_that_is_not_there_is_looked_for_and_then_given_up() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    made = RemoteModel(RemoteSettings(RemoteAddress(url)), patience=QUICK)
    seen: list[Health] = []
    made.listen(lambda: seen.append(made.health))
    pending = made.ask(questions(1))
    made.start()
    try:
        assert answered(pending).failure is not None
        assert Health.WAITING in seen
        assert made.health is Health.GONE
        assert made.trouble is not None
        assert "does not answer" in made.trouble.message
    finally:
        made.close()


def test_another_model_than_the_servers_is_refused(settings: RemoteSettings) -> None:
    made = RemoteModel(replace(settings, model="larger"), patience=QUICK)
    pending = made.ask(questions(1))
    made.start()
    try:
        failure = answered(pending).failure
        assert failure is not None
        assert failure.hint == "It has: tiny."
    finally:
        made.close()


def test_closing_cuts_what_is_being_answered(model: RemoteModel, served: ModelServer) -> None:
    served.hold.clear()
    pending = model.ask(questions(2))
    assert served.arrived.acquire(timeout=WAIT_S)
    ended = threading.Thread(target=model.close)
    ended.start()
    assert answered(pending).failure is not None
    ended.join(WAIT_S)
    assert not ended.is_alive()


def _entry(token: str, *tops: tuple[str, float]) -> dict[str, object]:
    named = [{"token": text, "logprob": math.log(chance)} for text, chance in tops]
    return {"token": token, "logprob": math.log(tops[0][1]) if tops else 0.0, "top_logprobs": named}


def test_the_likelihood_is_read_at_the_words_own_token() -> None:
    tags = [_entry("<answer"), _entry(">"), _entry("yes", ("yes", 0.6), ("no", 0.2), ("Yes", 0.1))]
    text, begin = "<answer>yes</answer>", 8
    assert choice_logit(tags, text, begin) == pytest.approx(math.log(0.7 / 0.2))
    joined = [_entry("<answer"), _entry(">yes", (">yes", 0.5), (">no", 0.25), (" no", 0.2))]
    assert choice_logit(joined, text, begin) == pytest.approx(math.log(2))
    letters = [_entry("<answer>"), _entry("y", ("y", 0.8), ("n", 0.1), ("x", 0.05))]
    assert choice_logit(letters, text, begin) == pytest.approx(math.log(8))
    # No is not told: it is at most as likely as the least likely alternative.
    alone = [_entry("<answer>"), _entry("yes", ("yes", 0.9), ("maybe", 0.01))]
    assert choice_logit(alone, text, begin) == pytest.approx(math.log(90))
    neither = [_entry("<answer>"), _entry("sure", ("sure", 0.9), ("maybe", 0.01))]
    assert choice_logit(neither, text, begin) is None
    assert choice_logit([_entry("something"), _entry("else")], text, begin) is None
    assert choice_logit([], text, begin) is None


def test_votes_need_half_of_them_to_be_read() -> None:
    assert votes_logit([True, True, None]) == pytest.approx(math.log(3))
    assert votes_logit([True, None, None]) is None
    assert votes_logit([]) is None
    assert votes_logit([True, False]) == 0.0


@pytest.mark.parametrize("told", [None, {}, {"choices": []}, {"choices": [{}]}, [], "x", 7])
def test_what_is_no_completion_is_told(told: object) -> None:
    with pytest.raises(ModelError, match="no chat completion"):
        read_completion(told)


def test_halves_of_characters_do_not_pass() -> None:
    written = read_completion({"choices": [{"message": {"content": "\ud800<answer>yes</answer>"}}]})
    assert written.answer.yes is None
    assert "\ud800" not in written.answer.text
    assert written.answer.text.encode()
