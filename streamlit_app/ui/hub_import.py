"""The progress of an import from Hugging Face (?import=). It goes on without the page, and ends in a draft."""

from __future__ import annotations

import streamlit as st

from backend.datasets import Datasets
from backend.i18n import _, ngettext
from backend.studio.hub_import import HubImport
from streamlit_app import session
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.link_rows import back_link
from streamlit_app.ui.safe_text import plain

_PHASES = {
    "waiting": _("Getting ready…"),
    "downloading": _("Downloading…"),
    "checking": _("Reading the examples…"),
    "saving": _("Saving…"),
}


def show_import(datasets: Datasets, import_id: str) -> None:
    """Raises NotFound."""
    now = datasets.hub_import(import_id)
    if now.phase == "done" and now.draft_id:
        st.switch_page("app_pages/dataset.py", query_params={session.DRAFT_PARAMETER: now.draft_id})
    back_link(_("All datasets"))
    st.title(plain(now.hub_id))
    st.caption(_("From Hugging Face"))
    if now.phase == "failed":
        if now.failure:
            errors.show_failure(now.failure)
        return
    st.fragment(_tick, run_every=1)(datasets, import_id)
    st.button(_("Cancel"), key="hub_cancel", icon=":material/close:", on_click=_cancel, args=(datasets, import_id))


def _tick(datasets: Datasets, import_id: str) -> None:
    now: HubImport = datasets.hub_import(import_id)
    if now.is_final:
        st.rerun()
    parts = [_PHASES.get(now.phase, _PHASES["waiting"])]
    if now.rows:
        parts.append(
            ngettext("{n} example so far.", "{n} examples so far.", now.rows).format(n=numbers.count(now.rows))
        )
    if now.bytes:
        parts.append(_("{size} so far.").format(size=numbers.size(now.bytes)))
    st.progress(min(1.0, now.done or 0.0), text=" ".join(parts))
    st.caption(_("Updated {time}. It goes on when you leave this page.").format(time=numbers.clock()))


def _cancel(datasets: Datasets, import_id: str) -> None:
    errors.act(datasets.cancel_hub_import, import_id, toast=_("Import cancelled."))
    st.query_params.clear()
