"""Questions to begin with: from the examples kept aside of the dataset the model learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from backend.errors import NotFound
from backend.i18n import _
from streamlit_app.ui.chat_model import Choice
from streamlit_app.ui.safe_text import plain

if TYPE_CHECKING:
    from backend.bootstrap import Desk

LONGEST = 80
SHOWN = 3


def suggestion(desk: Desk, choice: Choice | None) -> str | None:
    """The question that was clicked, if one was."""
    questions = _questions(desk, choice) if choice else []
    if not questions:
        return None
    st.caption(_("Ask something from your examples, or anything else."))
    return st.pills(_("Suggestions"), questions, format_func=plain, key="suggestions", label_visibility="collapsed")


def _questions(desk: Desk, choice: Choice) -> list[str]:
    dataset_id = _dataset_of(desk, choice.model)
    if not dataset_id:
        return []
    try:
        rows = desk.datasets.preview(dataset_id, "train", 0, 20)
    except NotFound:  # deleted since: the model lives on without its data
        return []
    firsts = [message.content for row in rows for message in row.messages[:2] if message.role == "user"]
    return [text for text in dict.fromkeys(firsts) if len(text) <= LONGEST][:SHOWN]


def _dataset_of(desk: Desk, model: str) -> str:
    try:
        return desk.training.get(desk.target.models.get(model).job_id).spec.dataset_id
    except NotFound:  # a base model, or a run that was deleted
        datasets = desk.datasets.list()
        return datasets[0].id if datasets else ""
