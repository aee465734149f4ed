"""How long the examples are, in the tokens of a base model, and what a maximum length would cut off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Dataset
from backend.errors import PhiDeskError
from backend.i18n import _, ngettext
from streamlit_app.ui import numbers, token_charts
from streamlit_app.ui.dataset_base import choose_base, choose_length
from streamlit_app.ui.dataset_lengths import show_failed_count
from streamlit_app.ui.safe_text import plain

if TYPE_CHECKING:
    from backend.studio.token_table import Bin, CutReport, TokenTable

SHOWN_TURNS = 12


def show(datasets: Datasets, dataset: Dataset) -> None:
    base = choose_base()
    counted = datasets.measure_tokens(dataset.id, base)
    if counted.failure:
        show_failed_count(datasets, dataset, base, counted.failure)
        return
    if not counted.is_final:
        _watch(datasets, dataset, base, had_table=counted.table is not None)
    if counted.table is not None:
        show_table(counted.table)
    _show_languages(datasets, dataset)


@st.fragment(run_every="1s")
def _watch(datasets: Datasets, dataset: Dataset, base: str, *, had_table: bool) -> None:
    """Until all is counted. The page is drawn anew once the estimate is there, and once more at the end."""
    try:
        counted = datasets.measure_tokens(dataset.id, base)
    except PhiDeskError:
        st.rerun()  # the page says it
    if counted.is_final or (counted.table is not None) != had_table:
        st.rerun()
    rows = numbers.count(dataset.train_rows + dataset.eval_rows)
    st.progress(counted.done, _("Counting the tokens of {n} examples…").format(n=rows))
    if had_table:
        st.caption(
            _("Until then the figures are an estimate from some of them. Updated {time}").format(time=numbers.clock())
        )


def show_table(table: TokenTable) -> None:
    suggested = table.suggestion()
    lengths = table.lengths()
    longest = int(table.totals.max()) if len(table.totals) else 0
    estimate = _("Estimate. ") if table.is_estimate else ""
    st.info(estimate + say_suggestion(table, suggested), icon=":material/straighten:")
    length = choose_length(table)
    st.markdown(estimate + say_cut(table.cut(length), table.rows))
    _show_chart(_("Tokens of a conversation"), lengths, _("Conversations"), length)
    _show_chart(_("Tokens of an answer"), table.answer_lengths(), _("Answers"), length)
    st.header(_("In all"))
    with st.grid(4, min_column_width=140, gap="small"):
        st.metric(_("Tokens"), numbers.short_count(table.total_tokens()), border=True)
        st.metric(_("Of answers"), numbers.short_count(table.answer_tokens()), border=True)
        st.metric(_("Usual length"), numbers.count(table.quantile(0.5)), border=True)
        st.metric(_("Longest"), numbers.count(longest), border=True)
    st.markdown(say_turns(table.turn_counts()))


def say_suggestion(table: TokenTable, suggested: int) -> str:
    answers = len(table.answers)
    if not answers:
        return _("There is no answer to learn from.")
    cut = table.cut(suggested).answers_cut
    whole = 1 - cut / max(1, round(answers * table.scale))
    if not cut:
        return _("Suggested maximum length: {n} tokens. It keeps every answer whole.").format(
            n=numbers.count(suggested)
        )
    # never "100 %" while one is cut
    share = _("{n} %").format(n=numbers.decimals(min(99.9, int(1000 * whole) / 10), 1))
    return _("Suggested maximum length: {n} tokens. It keeps {share} of the answers whole.").format(
        n=numbers.count(suggested), share=share
    )


def say_cut(cut: CutReport, rows: int) -> str:
    if not cut.answers_cut and not cut.rows_too_long:
        return _("With {n} tokens nothing is cut off.").format(n=numbers.count(cut.max_length))
    parts = [
        ngettext(
            "With {length} tokens, {n} of {rows} examples is too long.",
            "With {length} tokens, {n} of {rows} examples are too long.",
            cut.rows_too_long,
        ).format(length=numbers.count(cut.max_length), n=numbers.count(cut.rows_too_long), rows=numbers.count(rows)),
        ngettext("{n} answer loses {tokens} tokens.", "{n} answers lose {tokens} tokens.", cut.answers_cut).format(
            n=numbers.count(cut.answers_cut), tokens=numbers.count(cut.answer_tokens_cut)
        )
        if cut.answers_cut
        else _("No answer is cut."),
    ]
    if cut.rows_without_trainable:
        parts.append(
            ngettext(
                "**{n} example has nothing left to learn.**",
                "**{n} examples have nothing left to learn.**",
                cut.rows_without_trainable,
            ).format(n=numbers.count(cut.rows_without_trainable))
        )
    return " ".join(parts)


def say_turns(counts: Sequence[tuple[int, int]]) -> str:
    """Conversations by their number of messages."""
    shown = [
        ngettext("{n} message: {rows}", "{n} messages: {rows}", messages).format(n=messages, rows=numbers.count(rows))
        for messages, rows in counts[:SHOWN_TURNS]
    ]
    more = sum(rows for _messages, rows in counts[SHOWN_TURNS:])
    if more:
        shown.append(_("more: {rows}").format(rows=numbers.count(more)))
    return _("Conversations of {list}.").format(list=", ".join(shown))


def _show_chart(title: str, bins: Sequence[Bin], counted: str, max_length: int) -> None:
    st.header(title)
    if not bins:
        st.caption(_("There is nothing to draw."))
        return
    rows = token_charts.bars(bins)
    end = rows[-1]["high"]
    if not token_charts.has_rule(max_length, end):
        st.caption(_("The maximum length lies far to the right of all bars."))
    st.vega_lite_chart(
        rows,
        token_charts.spec(counted, max_length, end, ink="#fafafa" if st.context.theme.type == "dark" else "#141414"),
        width="stretch",
        alt=token_charts.alt(title, bins),
    )


def _show_languages(datasets: Datasets, dataset: Dataset) -> None:
    """As the checks found them, once they have."""
    found = datasets.examine(dataset.id)
    mix = next((one for one in found.findings if one.code == "languages"), None)
    if mix is not None:
        st.header(_("Languages"))
        st.markdown(plain(mix.title))
