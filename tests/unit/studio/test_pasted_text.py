"""What somebody pastes: what can't be told apart is refused with an example that can."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.datasets import Datasets
from backend.errors import BadInput
from backend.studio.pasted_text import EXAMPLE
from tests.contract.waiting import wait_until
from tests.unit.conversations import jsonl, row


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets(tmp_path / "datasets")


@pytest.mark.parametrize(
    "text",
    [
        "Q: When do you open?\nA: At nine.\n",
        "Q: Hello, when do you open?\nA: At nine, as always.\n\nQ: And, on Sunday?\nA: Never, it is closed.\n",
        "Frage 1: Wann?\nAntwort 1: Um neun.\n",
        "We open at nine. Come and see us.\n",
        "",
        "%PDF-1.7 pasted",
    ],
)
def test_what_has_no_examples_is_answered_with_what_to_paste(datasets: Datasets, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        datasets.open_text(text, "Pasted text")
    assert "question, answer" in caught.value.how_to_fix and "a tab" in caught.value.how_to_fix
    assert caught.value.why and "file" not in caught.value.how_to_fix
    assert list(datasets.drafts.list()) == []


@pytest.mark.parametrize(
    "text",
    [
        EXAMPLE,
        "question,answer\nQ: When do you open?,A: At nine.\nWhere?,Here.\n",
        jsonl(row("Q: When?", "A: At nine."), row("Where?", "Here.")).decode(),
    ],
)
def test_the_example_and_what_is_like_it_is_read(datasets: Datasets, text: str) -> None:
    draft = datasets.open_text(text, "Pasted text")
    wait_until(lambda: datasets.drafts.get(draft.id).phase == "ready", "it is read", 60)
    report = datasets.drafts.get(draft.id).report
    assert report is not None and (report.good_rows, report.format.is_sure) == (2, True)
