"""A dataset from Hugging Face: three fields, then the progress of the import, which goes on without the page."""

from __future__ import annotations

import streamlit as st

from backend.datasets import Datasets
from backend.errors import PhiDeskError
from backend.i18n import _
from backend.studio.hub_import import HubImport
from streamlit_app import session
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.safe_text import plain

_PHASES = {
    "waiting": _("Getting ready…"),
    "downloading": _("Downloading…"),
    "checking": _("Checking the examples…"),
    "saving": _("Saving…"),
}


def show_hub_import(datasets: Datasets) -> None:
    running = st.session_state.get(session.HUB_IMPORT)
    if running:
        _watch(datasets, running)
        return
    with st.form("hub_form", border=False, enter_to_submit=True):
        hub_id = st.text_input(
            _("Dataset"), placeholder="HuggingFaceH4/ultrachat_200k", key="hub_id", help=_("owner/name on Hugging Face")
        )
        with st.container(horizontal=True, key="hub_fields"):
            config = st.text_input(_("Config"), value="default", key="hub_config", width=220)
            split = st.text_input(
                _("Split"),
                value="train[:1%]",
                key="hub_split",
                width=220,
                help=_("A name, or a part of one, such as train_sft[:1%] or train[:500]."),
            )
        submitted = st.form_submit_button(_("Get dataset"), key="hub_submit", icon=":material/download:")
    if submitted:
        with errors.shown():
            started = datasets.start_hub_import(
                (hub_id or "").strip(), (config or "").strip() or "default", (split or "").strip() or "train"
            )
            st.session_state[session.HUB_IMPORT] = started.id
            st.rerun()


def _watch(datasets: Datasets, import_id: str) -> None:
    try:
        now = datasets.hub_import(import_id)
    except PhiDeskError as error:
        st.session_state.pop(session.HUB_IMPORT, None)
        errors.show_failure(error.failure())
        return
    if now.phase == "done":
        st.session_state.pop(session.HUB_IMPORT, None)
        st.success(_("{id} is ready.").format(id=plain(now.hub_id)), icon=":material/check_circle:")
        st.page_link(
            "app_pages/dataset.py",
            label=_("Open it"),
            icon=":material/forum:",
            query_params={session.DATASET_PARAMETER: now.dataset_id},
        )
    elif now.phase == "failed":
        if now.failure:
            errors.show_failure(now.failure)
        st.button(_("Try again"), key="hub_again", on_click=_forget, icon=":material/refresh:")
    else:
        st.fragment(_tick, run_every=1)(datasets, import_id)
        st.button(_("Cancel"), key="hub_cancel", on_click=_cancel, args=(datasets, import_id))


def _tick(datasets: Datasets, import_id: str) -> None:
    now: HubImport = datasets.hub_import(import_id)
    if now.is_final:
        st.rerun()
    rows = _(" {n} examples so far.").format(n=numbers.count(now.rows)) if now.rows else ""
    st.progress(now.done or 0.0, text=_PHASES.get(now.phase, _PHASES["waiting"]) + rows)
    st.caption(_("Updated {time}. It goes on when you leave this page.").format(time=numbers.clock()))


def _cancel(datasets: Datasets, import_id: str) -> None:
    errors.act(datasets.cancel_hub_import, import_id, toast=_("Import cancelled."))
    _forget()


def _forget() -> None:
    st.session_state.pop(session.HUB_IMPORT, None)
