"""The examples of a saved dataset: search, filter, any page at once, and below the table the one that is chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Dataset
from backend.domain_datasets import RowFilter
from backend.i18n import _, ngettext
from streamlit_app import session
from streamlit_app.ui import dataset_address, dataset_edit, dataset_findings, dataset_lengths, numbers
from streamlit_app.ui.choice_labels import readable
from streamlit_app.ui.conversation_table import choose_row
from streamlit_app.ui.dataset_row import show_row
from streamlit_app.ui.safe_text import plain

PAGE_ROWS = 50
ANY, WITH, WITHOUT = "any", "with", "without"


@dataclass(frozen=True)
class Wanted:
    """Which examples are shown. `is_all` where neither a search nor a filter leaves any out."""

    query: str
    rows: RowFilter

    @property
    def is_all(self) -> bool:
        return not self.query and self.rows == RowFilter()


def show(datasets: Datasets, dataset: Dataset) -> None:
    if dataset_edit.show(datasets, dataset):
        return
    with st.container(horizontal=True, vertical_alignment="center", key="examples_head"):
        part = choose_part(dataset)
        st.button(
            _("Add example"),
            key="add_example",
            icon=":material/add:",
            on_click=dataset_edit.begin,
            args=(dataset, part),
        )
    wanted = _choose(datasets, dataset, part)
    chosen = dataset_address.example(_rows(dataset, part))
    page = _shown_page(dataset, part, chosen if wanted.is_all else None)
    found = datasets.page(dataset.id, part, (page - 1) * PAGE_ROWS, PAGE_ROWS, wanted.query, wanted.rows)
    pages = max(1, -(-found.total // PAGE_ROWS))
    if page > pages:  # fewer are found than before
        page = pages
        _turn_to(dataset, part, page, chosen)
        found = datasets.page(dataset.id, part, (page - 1) * PAGE_ROWS, PAGE_ROWS, wanted.query, wanted.rows)
    if not found.total:
        st.info(_("No example has all of this."), icon=":material/search_off:")
        st.button(_("Show all examples"), key="show_all", on_click=_show_all)
        return
    if not wanted.is_all:
        label = ngettext("{n} example found", "{n} examples found", found.total)
        st.caption(label.format(n=numbers.count(found.total)))
    choose_row(found.rows, chosen, _go_to_example, key=f"rows_{part}_{page}_{dataset.version}")
    if pages > 1:
        _choose_page(dataset, part, page, pages, chosen)
    if chosen is None:
        st.caption(_("Select an example to read, change or delete it."))
        return
    show_row(datasets, dataset, part, chosen)


def choose_part(dataset: Dataset) -> str:
    """The part in the link; a choice of another one leaves the example that was looked at."""

    def changed() -> None:
        dataset_address.go(part=st.session_state["dataset_part"], example=None, finding=None)

    labels = {
        "train": _("To learn from: {n}").format(n=numbers.count(dataset.train_rows)),
        "eval": _("To check with: {n}").format(n=numbers.count(dataset.eval_rows)),
    }
    part = st.session_state["dataset_part"] = dataset_address.part()
    st.segmented_control(
        _("Part"),
        list(labels),
        format_func=lambda name: readable(labels[name]),
        required=True,
        key="dataset_part",
        label_visibility="collapsed",
        on_change=changed,
    )
    return part


def _choose(datasets: Datasets, dataset: Dataset, part: str) -> Wanted:
    with st.container(horizontal=True, vertical_alignment="bottom", key="examples_search"):
        query = st.text_input(
            _("Search in all texts"),
            key="row_search",
            icon=":material/search:",
            placeholder=_("Any words"),
            width="stretch",
            on_change=_first_page,
            label_visibility="collapsed",
        )
        with st.popover(_("Filter"), icon=":material/filter_list:", key="row_filter"):
            rows = _filter(datasets, dataset, part)
    return Wanted((query or "").strip(), replace(rows, numbers=_of_finding(datasets, dataset, part)))


def _filter(datasets: Datasets, dataset: Dataset, part: str) -> RowFilter:
    least = st.number_input(_("At least so many messages"), 0, 10_000, 0, key="filter_min", on_change=_first_page)
    most = st.number_input(_("At most so many messages"), 0, 10_000, None, key="filter_max", on_change=_first_page)
    system = st.radio(
        _("System prompt"),
        [ANY, WITH, WITHOUT],
        format_func=lambda one: {ANY: _("With or without"), WITH: _("With one"), WITHOUT: _("Without one")}[one],
        key="filter_system",
        on_change=_first_page,
    )
    files = datasets.source_files(dataset.id, part)
    file = ""
    if len(files) > 1:
        file = st.selectbox(
            _("File"),
            ["", *files],
            format_func=lambda one: one or _("All files"),
            key="filter_file",
            on_change=_first_page,
        )
    return RowFilter(
        min_turns=int(least or 0),
        max_turns=None if most is None else int(most),
        has_system={ANY: None, WITH: True, WITHOUT: False}[system],
        file=file or "",
    )


def _of_finding(datasets: Datasets, dataset: Dataset, part: str) -> tuple[int, ...] | None:
    """The rows of the finding in the link; None where it names none."""
    code = st.query_params.get(dataset_address.FINDING)
    if not code:
        return None
    finding = dataset_lengths.finding(datasets, dataset, code) or next(
        (one for one in datasets.examine(dataset.id).findings if one.code == code), None
    )
    if finding is None:
        return None
    with st.container(horizontal=True, vertical_alignment="center", key="of_finding"):
        st.markdown(_("Only those of the finding **{title}**").format(title=plain(finding.title)), width="stretch")
        st.button(_("Show all examples"), key="leave_finding", on_click=_show_all)
    return dataset_findings.rows_of(finding, part)


def _rows(dataset: Dataset, part: str) -> int:
    return dataset.train_rows if part == "train" else dataset.eval_rows


def _go_to_example(number: int | None) -> None:
    dataset_address.go(example=None if number is None else number + 1)


def _choose_page(dataset: Dataset, part: str, page: int, pages: int, chosen: int | None) -> None:
    key = f"rows_page_{part}"
    st.session_state[key] = page

    def turned() -> None:
        _turn_to(dataset, part, st.session_state[key], chosen)

    st.pagination(pages, key=key, on_change=turned)


def _shown_page(dataset: Dataset, part: str, chosen: int | None) -> int:
    """The page that was turned to; that of the `chosen` example where another one was looked at before."""
    page, looked_at = st.session_state.get(session.EXAMPLES_PAGES, {}).get((dataset.id, part), (1, None))
    if chosen is not None and chosen != looked_at:
        page = chosen // PAGE_ROWS + 1
        _turn_to(dataset, part, page, chosen)
    return int(page)


def _turn_to(dataset: Dataset, part: str, page: int, looked_at: int | None) -> None:
    st.session_state.setdefault(session.EXAMPLES_PAGES, {})[dataset.id, part] = page, looked_at


def _first_page() -> None:
    st.session_state.pop(session.EXAMPLES_PAGES, None)


def _show_all() -> None:
    st.session_state.update(row_search="", filter_min=0, filter_max=None, filter_system=ANY, filter_file="")
    dataset_address.go(finding=None)
    _first_page()
