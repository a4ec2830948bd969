"""What the documents say is there, is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)
def test_files_and_tests_that_are_named_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for path, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text):
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), test
    for link in re.findall(r"\]\(((?!https?:|#)[^)#\s]+)", text):
        assert (document.parent / link).exists(), link


def test_every_complaint_has_its_line_and_every_line_a_test() -> None:
    text = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| (\d+) \|(.*)\|$", text, re.MULTILINE)
    assert [int(number) for number, _ in lines] == list(range(1, 52))
    for number, line in lines:
        complaint, answer, proof = line.split(" | ")
        assert complaint.strip(), number
        assert answer.strip(), number
        tests = proof.strip().split("<br>")
        assert all(re.fullmatch(r"`tests/[\w/]+\.py::test_\w+`", test) for test in tests), number
