"""What the documents name is there: tests, files and links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def all_tests() -> set[str]:
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_and_file_that_a_document_names_exists(path: Path) -> None:
    text = path.read_text()
    named = set(re.findall(r"`(test_\w+)`", text))
    assert named <= all_tests(), sorted(named - all_tests())
    files = re.findall(r"`((?:tests|docs|backend|flows|training_job|streamlit_app|scripts)/[\w./-]+)`", text)
    assert [file for file in files if not (ROOT / file).exists()] == []
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_azure_document_proves_every_step() -> None:
    rows = [line for line in (ROOT / "docs" / "azure.md").read_text().splitlines() if re.match(r"\| [PS]\d", line)]
    steps = {step for row in rows for step in re.findall(r"\b[PS]\d+", row.split("|")[1])}
    assert steps >= {f"P{number}" for number in range(1, 10)}
    assert steps >= {f"S{number}" for number in (1, 3, 4, 5, 6, 7, 8, 9)}
    for row in rows:
        assert "test" in row.split("|")[4] or "as on this computer" in row.split("|")[4]
