"""One example as the model sees it: in its chat template, with what is learnt and what is cut off marked."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from backend.datasets import Datasets
from backend.domain import Dataset, Message
from backend.i18n import _
from streamlit_app.ui import dataset_address, marked_text, numbers
from streamlit_app.ui.dataset_base import choose_base, choose_length
from streamlit_app.ui.dataset_examples import choose_part
from streamlit_app.ui.dataset_lengths import show_failed_count
from streamlit_app.ui.dataset_row import choose_number, show_chat
from streamlit_app.ui.marked_text import Mark, Piece

if TYPE_CHECKING:
    from backend.studio.token_view import RenderedRow

MAX_IDS = 4096
WITHOUT_FIGURES = 1024
"""Tokens: the maximum length until the examples are counted, which takes a moment."""
LEGEND = (
    Piece(_("Mark of the template"), is_special=True),
    Piece(" \u2003"),
    Piece(_("learnt"), Mark.LEARNT),
    Piece(" \u2003"),
    Piece(_("read, not learnt")),
    Piece(" \u2003"),
    Piece(_("cut off"), Mark.CUT),
)


def show(datasets: Datasets, dataset: Dataset) -> None:
    st.caption(_("Of each example the model reads everything, and learns to write the marked part."))
    told = st.container()  # above the fields, where it is seen on a small screen
    base = choose_base()
    datasets.get_ready_to_explain(base)
    part = choose_part(dataset)
    rows = dataset.train_rows if part == "train" else dataset.eval_rows
    number = dataset_address.example(rows) or 0
    choose_number(number, rows)
    found = datasets.page(dataset.id, part, number, 1).rows
    if not found:
        return
    messages = found[0][1].messages
    if not datasets.get_ready_to_explain(base):
        _wait_for_first(datasets, base, messages, told)
    counted = datasets.measure_tokens(dataset.id, base)
    if counted.failure:
        show_failed_count(datasets, dataset, base, counted.failure)
    if counted.table:
        length = choose_length(counted.table)
    else:
        length = WITHOUT_FIGURES
        if not counted.failure:
            _watch(datasets, dataset, base, length)
    with st.spinner(_("Reading with the model's own words…"), show_time=True):
        row = datasets.explain(base, messages, length)
    show_rendered(row, length)


@st.fragment(run_every="2s")
def _watch(datasets: Datasets, dataset: Dataset, base: str, length: int) -> None:
    """Until there are figures to choose a maximum length by."""
    counted = datasets.measure_tokens(dataset.id, base)
    if counted.table or counted.failure:
        st.rerun()
    st.caption(_("Shown up to {n} tokens, until all examples are counted.").format(n=numbers.count(length)))


def _wait_for_first(datasets: Datasets, base: str, messages: tuple[Message, ...], told: DeltaGenerator) -> None:
    """The example as it is, until the model's tokenizer has begun. The counting of all examples, which would take the
    processors from it, comes afterwards.
    """
    meanwhile = st.empty()
    with meanwhile.container(key="first_look"):
        show_chat(messages)
    with (
        told,
        st.spinner(_("Getting ready to read as the model does. The first time takes some seconds…"), show_time=True),
    ):
        datasets.explain(base, messages, WITHOUT_FIGURES)
    meanwhile.empty()


def show_rendered(row: RenderedRow, length: int) -> None:
    cut = max(0, row.tokens - length)
    with st.grid(3, min_column_width=90, gap="small"):
        st.metric(_("Tokens"), numbers.count(row.tokens), border=True)
        st.metric(_("Learnt"), numbers.count(row.learnt), border=True)
        st.metric(_("Cut off"), numbers.count(cut), border=True)
    if not row.learnt:
        st.error(
            _("Choose a larger maximum length, or delete this example."),
            title=_("Nothing of this example is learnt"),
            icon=":material/block:",
        )
    st.html(f"<p>{marked_text.inline(LEGEND)}</p>")
    pieces = marked(row)
    marked_text.show(pieces, _("The example as the model sees it"))
    if row.is_shortened or sum(len(piece.text) for piece in pieces) > marked_text.MAX_SHOWN:
        st.caption(_("It is very long: only its beginning is shown."))
    opened = st.expander(_("Token numbers"), key="token_ids", on_change="rerun")
    if opened.open:
        with opened:
            _show_ids(row)


def marked(row: RenderedRow) -> list[Piece]:
    """Tokens that are alike in one piece; each mark of the template in one of its own."""
    pieces: list[Piece] = []
    for (is_special, is_learnt, is_cut), alike in groupby(
        row.pieces, key=lambda piece: (piece.is_special, piece.is_learnt, piece.is_cut)
    ):
        mark = Mark.CUT if is_cut else Mark.LEARNT if is_learnt else Mark.NONE
        texts = [piece.text for piece in alike]
        pieces += [Piece(text, mark, is_special) for text in (texts if is_special else ["".join(texts)])]
    return pieces


def _show_ids(row: RenderedRow) -> None:
    shown = row.pieces[:MAX_IDS]
    st.dataframe(
        pd.DataFrame(
            {
                _("Token"): [piece.text for piece in shown],
                _("Number"): [piece.token_id for piece in shown],
                _("Learnt"): [piece.is_learnt for piece in shown],
                _("Cut off"): [piece.is_cut for piece in shown],
            }
        ),
        hide_index=True,
        key="token_table",
        height=360,
        alt=_("The tokens of the example with their numbers"),
    )
    if len(row.pieces) > len(shown):
        st.caption(_("The first {n} of {all} tokens.").format(n=numbers.count(MAX_IDS), all=numbers.count(row.tokens)))
