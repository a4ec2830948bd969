from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from connectome.errors import InputError, StorageError
from inference.datasets.samples import Part
from inference.evaluation.answers import Answers, read_answers, write_answers
from inference.evaluation.conditions import (
    condition_rows,
    conditions_cells,
    conditions_json,
    trends,
    warned,
)
from inference.evaluation.report import ReportFacts, write_report
from inference.evaluation.risk import lane_rows, risk_curve
from proofreading.verdicts import Task


def invented(
    judge: str,
    *,
    count: int = 900,
    sharpness: float = 4.0,
    seed: int = 0,
    model: str = "m",
    source: str = "watershed",
    condition: str = "as recorded",
    part: Part = Part.TEST,
    ood: float = 0.6,
    synthetic: bool = False,
    dataset: str = "fib",
) -> Answers:
    """Answers of a calibrated judge: the larger the sharpness, the better it is."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(0, sharpness, count)
    chance = expit(logit)
    truth = rng.random(count) < chance
    return Answers.of(
        task=Task.SPLIT_ERROR_CORRECTION,
        dataset=dataset,
        source=source,
        judge=judge,
        model=model,
        sample=[f"{seed}-{n}" for n in range(count)],
        truth=truth,
        probability=chance,
        logit=logit,
        ood=rng.normal(ood, 0.2, count),
        group=rng.integers(1, 60, count),
        unseen=rng.random(count) < 0.3,
        synthetic=truth & synthetic,
        part=part,
        condition=condition,
    )


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    table = Answers.concatenated(
        [invented("a"), invented("b", synthetic=True, condition="blur 20")]
    )
    write_answers(table, tmp_path / "answers.parquet")
    back = read_answers(tmp_path / "answers.parquet")
    for name in Answers.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(back, name), getattr(table, name))
        assert getattr(back, name).dtype == getattr(table, name).dtype
    assert len(back.where(judge="b", synthetic=True)) == int(table.synthetic.sum()) > 0
    assert back.values("condition") == ["as recorded", "blur 20"]


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match="holds no answers"):
        read_answers(tmp_path / "x.parquet")
    with pytest.raises(InputError, match="no answers"):
        Answers.concatenated([])
    with pytest.raises(StorageError, match="cannot be written"):
        write_answers(invented("a"), tmp_path / "nowhere" / "x.parquet")


def test_lanes_are_chosen_on_the_validation_part_if_there_is_one() -> None:
    test = [invented("j", model=m, seed=s, count=4000) for m, s in (("low", 1), ("high", 2))]
    crossed = lane_rows(Answers.concatenated(test), 0.05)
    assert [row.chosen_on.split()[3] for row in crossed] == ["low", "high"]
    assert all(row.audit.automatic.coverage > 0.2 for row in crossed)
    chosen = invented("j", model="middle", part=Part.VALIDATION, seed=3, count=4000)
    (row,) = lane_rows(Answers.concatenated([*test, chosen]), 0.05)
    assert row.chosen_on.startswith("validation block (4000")
    accepted = row.audit.accepted
    assert accepted.count == sum(
        int((t.probability >= (row.lanes.accept_above or 2)).sum()) for t in test
    )
    assert accepted.errors / accepted.count <= 0.06


def test_the_surest_answers_are_the_best() -> None:
    one = invented("j", count=4000)
    curve = risk_curve(one.probability, one.truth)
    assert curve.coverage[-1] == 1
    assert curve.error[1000] < curve.error[-1]
    assert curve.error[-1] == pytest.approx(((one.probability > 0.5) != one.truth).mean())


def degraded_answers() -> Answers:
    worse = {"blur 20": (2.0, 1.2), "noise 30": (1.0, 1.8), "missing 0.3": (0.6, 2.5)}
    parts = [invented("j", ood=0.6)]
    parts += [invented("j", sharpness=s, ood=o, condition=c, seed=5) for c, (s, o) in worse.items()]
    parts.append(invented("j", sharpness=1.5, ood=1.5, dataset="other", seed=6))
    return Answers.concatenated(parts)


def test_a_score_that_follows_accuracy_is_found_to_do_so() -> None:
    rows = condition_rows(degraded_answers(), resamples=20)
    assert len(rows) == 5
    assert rows[0].told_apart is None
    assert all(row.told_apart is not None and row.told_apart > 0.8 for row in rows[1:])
    assert rows[0].unusual < 0.1 < 0.8 < rows[-1].unusual
    found = {trend.figure: trend for trend in trends(rows)}
    assert found["auc"].correlation == pytest.approx(-1.0)
    assert found["auc"].conditions == 5


def test_a_score_that_warns_of_errors_is_found_to_do_so() -> None:
    answers = degraded_answers()
    (plain,) = warned(answers)
    assert plain.usual == pytest.approx(0.5, abs=0.08)
    assert plain.anywhere is not None
    assert plain.anywhere > 0.6
    wrong = (answers.even > 0.5) != answers.truth
    (told,) = warned(replace(answers, ood=wrong.astype(float)))
    assert (told.usual, told.anywhere) == (1.0, 1.0)
    (unknown,) = warned(replace(answers, ood=np.full(len(answers), np.nan)))
    assert (unknown.usual, unknown.anywhere) == (None, None)


def test_conditions_are_told_in_tables_and_to_machines() -> None:
    answers = degraded_answers()
    (names, rows), (_, of_figures), (_, of_errors) = conditions_cells(answers)
    assert all(len(row) == len(names) for row in rows)
    assert [row[2] for row in rows] == [row.condition for row in condition_rows(answers)]
    assert [row[1] for row in of_figures] == ["balanced_accuracy", "auc", "ece_15"]
    found = json.loads(json.dumps(conditions_json(answers)))
    assert [len(found[name]) for name in ("rows", "trends", "warned")] == [5, 3, len(of_errors)]


def test_the_report_is_one_page_with_everything_in_it(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    answers = Answers.concatenated(
        [
            invented("good <judge>", synthetic=True),
            invented("good <judge>", model="o", seed=7, synthetic=True),
            invented("poor judge", sharpness=1.0),
            invented("good <judge>", source="automatic", model="n"),
            invented("good <judge>", condition="control: blank pictures", sharpness=0.1),
            invented("boosting, microscopy only", sharpness=2.0),
        ]
    )
    facts = ReportFacts(
        datasets={"fib": "d" * 64},
        weights={"m": "e" * 64},
        baselines={"watershed": {"boosting of others": "0.906 / 0.971"}},
    )
    out = tmp_path / "report.html"
    write_report(answers, out, facts, conditions=degraded_answers(), resamples=20)
    text = out.read_text(encoding="utf-8")
    assert text.count("<svg") == 3
    for expected in (
        "good &lt;judge&gt;",
        "People reach a balanced accuracy of 0.919",
        "0.906 / 0.971",
        "control: blank pictures",
        "Real errors and made ones",
        "intervals over bodies",
        "poor judge less good",
        "What may be decided without a person",
        "rank correlation",
        "d" * 64,
        "e" * 64,
    ):
        assert expected in text, expected
    assert "good <judge>" not in text
    outside = [part for part in ("src=", "href=", "url(http", "@import") if part in text]
    assert [part for part in outside if part != "href="] == []
    assert all(link.startswith("#") for link in _links(text))
    write_report(answers, tmp_path / "again.html", facts, conditions=degraded_answers(),
                 resamples=20)  # fmt: skip
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == text
    with pytest.raises(StorageError, match="cannot be written"):
        write_report(answers, tmp_path / "nowhere" / "x.html", resamples=2)


def _links(text: str) -> list[str]:
    return [part.split('"')[0] for part in text.split('href="')[1:]]
