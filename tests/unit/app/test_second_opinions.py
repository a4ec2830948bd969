"""Second opinions in the background: asked in order, written down, nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.services.panel import Panel, judge_batches
from app.services.second_opinions import SecondOpinions
from connectome.errors import ModelError
from inference.calibration import fit_temperature
from inference.judges.router import Router
from inference.judges.routing import Route
from inference.judges.vlm.judge import VlmJudge
from inference.judges.vlm.process import Health
from inference.models.registry import ModelFolder
from proofreading.catalogue import Catalogue
from proofreading.sites import Site
from proofreading.verdicts import Verdict
from tests.arrays import ArrayDatastack
from tests.language_models import FlatViews, language_folder
from tests.scripted_language import Scripted, said
from tests.site_judges import ScriptedJudge, scripted_manifest
from tests.slabs import slab_sites, slabs

GENEROUS = Route(seconds_per_site=60.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    truth = np.array([False, False, True, True, True, False])
    calibration = fit_temperature(
        np.array([-2.0, -1.0, 1.0, 2.0, -1.5, 1.5]), truth, "a script", 0.5
    )
    where = tmp_path_factory.mktemp("models") / "words"
    return language_folder(where, Path("some/base"), name="words", calibration=calibration)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with Catalogue.open(tmp_path / "c.sqlite") as found:
        found.add_sites(slab_sites())
        yield found


class World:
    """Two sites, a quick judge with these logits, and a model that waits to be let go."""

    def __init__(
        self,
        folder: ModelFolder,
        catalogue: Catalogue,
        logits: tuple[float, float],
        route: Route = GENEROUS,
    ) -> None:
        self.sites: list[Site] = slab_sites()
        script: dict[tuple[str, int | None], float] = {
            (site.id, site.partners[0].supervoxel): logit
            for site, logit in zip(self.sites, logits, strict=True)
        }
        self.model = Scripted([said(0, 3.0, "They line up.")], wait=True)
        self.stack: ArrayDatastack = slabs()
        self.catalogue = catalogue
        self.first = ScriptedJudge(scripted_manifest("numbers"), script)
        self.router = Router(
            VlmJudge(folder, model=self.model, views=FlatViews()), self.first, route
        )
        self.panel = Panel([self.first], [self.router])
        self.second = SecondOpinions(self.panel.routers, self.stack, catalogue)

    def judge(self) -> None:
        for batch in judge_batches(self.panel, self.stack, self.catalogue):
            self.second.consider(batch)

    def run(self) -> None:
        """Step, and let the model answer, until nothing is due."""
        while self.second.due:
            self.second.step()
            self.model.answer()

    def best(self, number: int) -> Verdict:
        verdict = self.catalogue.best_verdict(self.sites[number].id)
        assert verdict is not None
        return verdict


def test_open_questions_are_asked_and_sure_ones_are_not(
    folder: ModelFolder, catalogue: Catalogue
) -> None:
    world = World(folder, catalogue, (0.2, -9.0))
    world.judge()
    assert world.second.waiting == 1
    world.run()
    assert [v.model_id for v in world.best(0).parts] == ["numbers", "words"]
    assert world.best(0).rationale == "They line up."
    assert world.best(1).provenance.model_id == "numbers"
    task = world.router.task
    models = [v.provenance.model_id for v in catalogue.verdicts(world.sites[0].id, task)]
    assert models == ["numbers.with.words", "words", "numbers"]


def test_nothing_waits_while_the_model_thinks(folder: ModelFolder, catalogue: Catalogue) -> None:
    world = World(folder, catalogue, (0.2, 0.4))
    world.judge()
    while world.second.due:
        world.second.step()
    assert world.second.asking is not None
    assert len(world.model.asked) == 1
    called: list[int] = []
    world.second.start(lambda: called.append(1))
    world.model.answer()
    assert called == [1]
    assert world.second.due


def test_the_site_on_the_screen_comes_first(folder: ModelFolder, catalogue: Catalogue) -> None:
    world = World(folder, catalogue, (0.0, 0.6))
    world.judge()
    world.second.prefer(world.sites[1].id)
    while world.second.asking is None:
        world.second.step()
    assert world.second.asking.key[1] == world.sites[1].id


def test_a_wish_is_asked_whatever_it_costs_with_the_words_of_now(
    folder: ModelFolder, catalogue: Catalogue
) -> None:
    world = World(folder, catalogue, (-9.0, -9.0), Route(seconds_per_site=0.0))
    world.judge()
    world.run()
    assert world.model.asked == []
    world.second.ask_about(world.sites[0])
    world.run()
    before = world.best(0)
    assert before.parts
    world.router.second.slots = type(world.router.second.slots)(region="hippocampus")
    world.second.ask_about(world.sites[0])
    world.run()
    after = world.best(0)
    assert after.provenance.prompt_sha256 != before.provenance.prompt_sha256
    assert after.provenance.slots == (("region", "hippocampus"),)
    kept = catalogue.verdicts(world.sites[0].id, world.router.task)
    assert before in kept


def test_a_later_run_goes_on_where_this_one_stopped(
    folder: ModelFolder, catalogue: Catalogue
) -> None:
    world = World(folder, catalogue, (0.2, 0.4))
    world.judge()
    while world.second.asking is None:
        world.second.step()
    world.model.answer()
    world.second.step()
    later = World(folder, catalogue, (0.2, 0.4))
    while later.second.due and not later.second.waiting:
        later.second.step()
    assert later.second.waiting == 1
    later.run()
    assert all(later.best(number).parts for number in (0, 1))
    assert len(later.model.asked) == 1


def test_a_model_that_is_gone_loses_no_question(folder: ModelFolder, catalogue: Catalogue) -> None:
    world = World(folder, catalogue, (0.2, -9.0))
    world.judge()
    while world.second.asking is None:
        world.second.step()
    world.model.health = Health.GONE
    world.model.answers = []
    world.model.trouble = ModelError("It ended several times.", "Start it again.")
    world.model.answer()
    world.second.step()
    assert not world.second.due
    assert world.second.waiting == 1
    assert catalogue.failures(world.sites[0].id) == []
    world.model.trouble, world.model.answers = None, [said(0, 1.0)]
    world.second.ask_about(world.sites[0])
    assert world.model.health is Health.READY
    world.run()
    assert world.best(0).parts


def test_what_failed_is_a_state_beside_the_first_answer_and_can_be_asked_again(
    folder: ModelFolder, catalogue: Catalogue
) -> None:
    world = World(folder, catalogue, (0.2, -9.0))
    world.model.answers = [said(0, None, text="Who knows?")]
    world.judge()
    world.run()
    (failure,) = catalogue.failures(world.sites[0].id)
    assert failure.text == "Who knows?"
    assert world.best(0).provenance.model_id == "numbers"
    world.second.recall()
    world.run()
    assert len(world.model.asked) == 1
    catalogue.retry()
    world.second.recall()
    world.model.answers = [said(0, -3.0)]
    world.run()
    assert catalogue.failures(world.sites[0].id) == []
    assert world.best(0).parts


def test_without_a_first_judge_everything_is_asked(
    folder: ModelFolder, catalogue: Catalogue
) -> None:
    model = Scripted([said(0, 3.0)])
    router = Router(VlmJudge(folder, model=model, views=FlatViews()))
    second = SecondOpinions([router], slabs(), catalogue)
    written = [result for batch in second.drain() for result in batch]
    assert len(written) == 2
    assert all(isinstance(v, Verdict) and v.provenance.model_id == "words" for v in written)
    second.close()
    assert model.closed
