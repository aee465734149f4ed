"""The corpus through the real Dataset page, many files in one draft: it shows what is wrong and where, and no error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from backend.domain_datasets import Draft, FormatKind
from streamlit_app.ui.draft_mapping import needs_mapping
from tests.corpus import all_cases
from tests.corpus.case import Case
from tests.pages.conftest import FakeDesk, Open, texts

LARGEST = 100_000
"""Bytes: what is small is read at once, and the page shows it without waiting."""
BATCH = 60
UPLOADED = [case for case in all_cases() if isinstance(case.content, bytes) and len(case.content) <= LARGEST]


def batches() -> Iterator[Sequence[Case]]:
    for start in range(0, len(UPLOADED), BATCH):
        yield UPLOADED[start : start + BATCH]


def given(case: Case) -> tuple[str, bytes]:
    assert isinstance(case.content, bytes)
    return case.file_name, case.content


def add(open_page: Open, cases: Sequence[Case]) -> AppTest:
    page = open_page("dataset")
    files = [
        (f"{number}-{case.file_name}" if case.file_name.startswith("a.") else case.file_name, case.content, "")
        for number, case in enumerate(cases)
        if isinstance(case.content, bytes)
    ]
    return page.file_uploader(key="upload_0").set_value(files).run(timeout=120)


def the_draft(desk: FakeDesk) -> Draft:
    [draft] = desk.datasets.drafts.list()
    return draft


def places_shown(page: AppTest, *, has_files: bool) -> set[tuple[str, str]]:
    """File (where there are several) and line of each row of the tables of findings."""
    shown = set()
    for frame in page.dataframe:
        table: pd.DataFrame = frame.value
        if "Line" in table.columns and ("File" in table.columns) is has_files:
            files = table["File"] if has_files else [""] * len(table)
            shown |= set(zip(files, map(str, table["Line"]), strict=True))
    return shown


def test_most_of_the_corpus_goes_through_the_page() -> None:
    assert len(UPLOADED) >= 200


@pytest.mark.timeout(280)
@pytest.mark.parametrize("cases", batches(), ids=lambda cases: cases[0].name)
def test_the_page_shows_what_is_wrong_in_each_file_and_where(
    open_page: Open, desk: FakeDesk, cases: Sequence[Case]
) -> None:
    page = add(open_page, cases)
    draft = the_draft(desk)
    assert not page.exception
    assert draft.phase == "ready"
    assert draft.report.good_rows == sum(case.good for case in cases)
    for name in [file.name for file in draft.unclear]:
        assert f"What do the columns of {name} mean?" in texts(page)
        page = page.button(key="draft_leave_out").click().run(timeout=120)
    draft = the_draft(desk)
    assert not needs_mapping(draft)
    assert_shown(page, draft, has_files=len(draft.files) > 1)


@pytest.mark.timeout(280)
def test_a_file_that_is_unclear_shows_what_is_wrong_once_its_columns_are_known(open_page: Open, desk: FakeDesk) -> None:
    unclear = []
    for cases in batches():
        together = desk.datasets.drafts.open([given(case) for case in cases])
        unclear += [cases[file.number] for file in together.unclear]
        desk.datasets.drafts.discard(together.id)
    assert unclear
    for case in unclear:
        draft = desk.datasets.drafts.open([given(case)])
        page = open_page("dataset", draft=draft.id)
        assert "What do the columns mean?" in texts(page)
        [file] = draft.unclear
        said = replace(file.format, kind=FormatKind.MAPPED, is_sure=True)
        answered = desk.datasets.drafts.use_mapping(draft.id, said)
        assert not needs_mapping(answered)
        assert_shown(page.run(timeout=120), answered, has_files=False)
        desk.datasets.drafts.drop_mapping(draft.id, said)  # the next one is to be asked about too


def assert_shown(page: AppTest, draft: Draft, *, has_files: bool) -> None:
    assert not page.exception
    words = texts(page)
    for finding in draft.report.findings:
        assert finding.title in words
    shown = places_shown(page, has_files=has_files)
    for finding in draft.report.findings:
        for row in finding.rows[:200]:
            place = (row.file if has_files else "", str(row.line) if row.line else "file")
            assert place in shown, (finding.code, row)
