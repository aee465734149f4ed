"""Lists whose rows are real links: they work with the keyboard, on a phone and in a new tab."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from backend.domain import Job
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import numbers
from streamlit_app.ui.safe_text import plain
from streamlit_app.ui.states import job_badge


def link_row(
    page: str, title: str, facts: str, query_params: dict[str, str], *, key: str, end: Callable[[], None] | None = None
) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small", key=key):
        st.page_link(page, label=f"**{plain(title)}**", query_params=query_params)
        st.caption(plain(facts), width="stretch")
        if end:
            end()


def back_link(label: str) -> None:
    """From a detail to its page's list. A link to the page one is on would keep the detail in the address."""
    st.button(label, key="back", icon=":material/arrow_back:", type="tertiary", on_click=st.query_params.clear)


def run_row(job: Job) -> None:
    facts = [numbers.local_time(job.created_at)]
    before, after = job.result.get("base_eval_loss"), job.result.get("tuned_eval_loss")
    if before is not None and after is not None:
        facts.append(
            _("loss {before} → {after}").format(before=numbers.decimals(before), after=numbers.decimals(after))
        )
    link_row(
        "app_pages/train.py",
        job.spec.name,
        " · ".join(facts),
        {session.JOB_PARAMETER: job.id},
        key=f"run_{job.id}",
        end=lambda: job_badge(job.state),
    )
