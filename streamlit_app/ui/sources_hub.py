"""A dataset from Hugging Face: looked for, looked into before anything is fetched, then a part of it or all."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from backend.datasets import Datasets
from backend.errors import BadInput, PhiDeskError
from backend.i18n import _, ngettext
from backend.studio.format_words import describe_format
from backend.studio.hub_facts import HubAbout, HubHit, HubRows, HubSplit
from backend.studio.hub_request import HubRequest
from streamlit_app import session
from streamlit_app.ui import errors, links, numbers
from streamlit_app.ui.column_form import show_chat
from streamlit_app.ui.draft_examples import CELL, ROW_HEIGHT
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.safe_text import plain

HITS = 8
FIRST_ROWS = 10
SHOWN_COLUMNS = 4
PARTS = ("", "[:1%]", "[:10%]", "[:500]", "[:5000]", "[10%:20%]")
"""Pieces of a split, in the words of the `datasets` library. Another one can be typed."""


def show_hub(datasets: Datasets) -> None:
    with st.form("hub_form", border=False):
        text = st.text_input(
            _("Search on Hugging Face"),
            key="hub_query",
            icon=":material/search:",
            placeholder=_("Words, or an id such as HuggingFaceH4/ultrachat_200k"),
        )
        submitted = st.form_submit_button(_("Search"), key="hub_search", icon=":material/search:")
    if submitted and not (text or "").strip():
        with errors.shown():
            raise BadInput(_("There is nothing to search for."), how_to_fix=_("Type a word or an id."), code="no_query")
    if not (text or "").strip():
        st.caption(
            _("Public datasets of conversations and instructions. What you choose is checked before it is saved.")
        )
        return
    with errors.shown():
        with st.spinner(_("Asking Hugging Face…"), show_time=True):
            hits = datasets.hub.search((text or "").strip(), HITS)
        chosen = _choose(hits, (text or "").strip())
        if chosen:
            with st.spinner(_("Looking into it…"), show_time=True):
                about = datasets.hub.about(chosen)
            _show_about(datasets, about)


def _choose(hits: tuple[HubHit, ...], text: str) -> str | None:
    """An id that was typed is chosen at once, and asked for even when the search does not know it."""
    if not hits and "/" in text:
        return text
    if not hits:
        st.info(_("Hugging Face knows no dataset of that name. Try another word."), icon=":material/search_off:")
        return None
    is_exact = hits[0].id.lower() == text.lower()
    return st.radio(
        _("Datasets"),
        [hit.id for hit in hits],
        index=0 if is_exact else None,
        format_func=plain,
        captions=[_facts(hit) for hit in hits],
        key=f"hub_hits_{text}",
    )


def _facts(hit: HubHit) -> str:
    gates = {"auto": _("terms to accept"), "manual": _("its owner must let you in")}
    size = numbers.size(hit.bytes) if hit.bytes else hit.size
    parts = [
        ngettext("{n} download", "{n} downloads", hit.downloads).format(n=numbers.count(hit.downloads)),
        _("licence {name}").format(name=hit.licence) if hit.licence else _("licence unknown"),
        size,
        gates.get(hit.gated, ""),
    ]
    return " · ".join(plain(part) for part in parts if part)


def _show_about(datasets: Datasets, about: HubAbout) -> None:
    hub_id = about.hit.id
    if about.access is not None:
        told = "\n\n".join(plain(part) for part in (about.access.why, about.access.how_to_fix) if part)
        st.warning(told, title=plain(about.access.what), icon=":material/lock:")
        with st.container(horizontal=True, key="hub_gate"):
            links.outside(_("Open its page"), f"https://huggingface.co/datasets/{hub_id}", key="hub_page")
            st.button(_("Ask again"), key="hub_forget", icon=":material/refresh:", on_click=datasets.hub.forget)
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="hub_part"):
        config = _config(about)
        split = _split(about, config)
        piece = st.selectbox(
            _("How much of it"),
            PARTS,
            format_func=lambda one: one or _("All of it"),
            key="hub_piece",
            accept_new_options=True,
            help=_("[:500] is the first 500 examples, [10%:20%] the second tenth. You can type another part."),
            width=190,
        )
    _show_first_rows(datasets, about, config, split)
    if st.button(
        _("Get dataset"),
        key="hub_submit",
        type="primary",
        icon=":material/download:",
        shortcut=primary_shortcut(),
    ):
        with errors.shown():
            started = datasets.start_hub_import(
                HubRequest(hub_id, config, f"{split}{piece or ''}", revision=about.revision), as_draft=True
            )
            st.query_params.clear()
            st.query_params[session.IMPORT_PARAMETER] = started.id
            st.rerun()


def _config(about: HubAbout) -> str:
    key = f"hub_config_{about.hit.id}"
    if about.configs:
        return st.selectbox(_("Config"), about.configs, key=key, width=190) or about.configs[0]
    return st.text_input(_("Config"), value="default", key=key, width=190) or "default"


def _split(about: HubAbout, config: str) -> str:
    known = {split.name: split for split in about.splits_of(config)}
    key = f"hub_split_{about.hit.id}_{config}"
    if known:
        names = list(known)
        return (
            st.selectbox(_("Split"), names, format_func=lambda name: _split_label(known[name]), key=key, width=260)
            or names[0]
        )
    return st.text_input(_("Split"), value="train", key=key, width=260) or "train"


def _split_label(split: HubSplit) -> str:
    if split.rows is None:
        return split.name
    rows = ngettext("{n} row", "{n} rows", split.rows).format(n=numbers.count(split.rows))
    return f"{split.name} · {_('about')} {rows}" if split.is_estimate else f"{split.name} · {rows}"


def _show_first_rows(datasets: Datasets, about: HubAbout, config: str, split: str) -> None:
    """Through the Hub's viewer. Where it has none, the dataset can be got all the same."""
    try:
        with st.spinner(_("Getting the first rows…"), show_time=True):
            rows = datasets.hub.first_rows(about.hit.id, config, split, FIRST_ROWS)
    except PhiDeskError as error:
        told = _("No preview: {why} You can get the dataset all the same.").format(why=plain(error.what))
        st.info(told, icon=":material/visibility_off:")
        return
    if about.note:
        st.caption(plain(about.note))
    st.markdown(f":material/fact_check: {plain(describe_format(rows.format))}")
    table = _table(rows)
    st.dataframe(
        table,
        hide_index=True,
        key="hub_first_rows",
        row_height=ROW_HEIGHT,
        height=320,
        column_config={column: st.column_config.TextColumn(width=150) for column in table.columns},
        alt=_("The first rows of {id}").format(id=about.hit.id),
    )
    first = next((one for one in rows.conversations if one), None)
    if first:
        with st.expander(_("The first row as a conversation"), icon=":material/forum:", key="hub_first_chat"):
            show_chat(first)


def _table(rows: HubRows) -> pd.DataFrame:
    """The columns that the conversation is made of come first; cells are cut, and never read as Markdown."""
    used = [column for column in rows.format.fields.values() if column in rows.columns]
    shown = list(dict.fromkeys([*used, *rows.columns]))[:SHOWN_COLUMNS]
    return pd.DataFrame([{column: _cell(row.get(column)) for column in shown} for row in rows.rows], columns=shown)


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= CELL else text[: CELL - 1] + "…"
