"""Home: the checklist from nothing to a chat, then what runs and what came last."""

from __future__ import annotations

import streamlit as st

from backend.domain import EndpointState, JobState
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import checklist, connection, errors, numbers
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.link_rows import run_row
from streamlit_app.ui.states import ACTIVE_STATES

desk = session.services()
st.title(_("Phi Desk"))
st.caption(_("From a file of example conversations to a model of your own that answers like them."))

missing = ""
overview = session.Overview()
with errors.shown():
    missing = session.missing_connection()
    overview = session.overview()
datasets = desk.datasets.list()
conversations = desk.chatting.list(limit=1)
if missing:
    where = connection.missing_in_words(missing)
elif desk.target.setup is not None:  # its checks ask far away: Setup does that
    where = _("{target} is connected.").format(target=desk.target.title)
else:
    problems = [check for check in session.checks() if not check.is_ok and not check.is_warning]
    missing = problems[0].what if problems else ""
    where = (
        _("{target} needs something: {what}").format(target=desk.target.title, what=missing)
        if missing
        else _("{target} is ready.").format(target=desk.target.title)
    )

is_training = any(job.state in ACTIVE_STATES for job in overview.runs)
has_trained = any(job.state == JobState.COMPLETED for job in overview.runs)
has_endpoint = any(endpoint.state == EndpointState.RUNNING for endpoint in overview.endpoints)

steps = [
    checklist.Step(
        _("Choose where to run"),
        where,
        not missing,
        _("Choose where to run"),
        "app_pages/setup.py",
    ),
    checklist.Step(
        _("Add examples"),
        _("{name}: {rows} examples.").format(name=datasets[0].name, rows=numbers.count(datasets[0].train_rows))
        if datasets
        else _("A file of conversations, or the sample that comes with Phi Desk."),
        bool(datasets),
        _("Add examples"),
        "app_pages/dataset.py",
    ),
    checklist.Step(
        _("Train"),
        _("A model has learned from your examples.")
        if has_trained
        else _("A run goes on. You need not wait for it here.")
        if is_training
        else _("A few minutes with the sample and the built-in model."),
        has_trained,
        _("Watch the run") if is_training else _("Set up a run"),
        "app_pages/train.py",
        {"new": "1"} if datasets and not is_training else {},
    ),
    checklist.Step(
        _("Chat"),
        _("Your conversations are kept.")
        if conversations
        else _("Start the model and ask it something from your examples."),
        bool(conversations),
        _("Open Chat") if has_endpoint or not has_trained else _("Start your model"),
        "app_pages/chat.py" if has_endpoint or not has_trained else "app_pages/deploy.py",
    ),
]
checklist.show(steps)
if all(step.is_done for step in steps) and st.button(
    _("Chat with your model"), key="chat", type="primary", icon=":material/chat:", shortcut=primary_shortcut()
):
    st.switch_page("app_pages/chat.py")

st.header(_("Recent runs"))
if not overview.runs:
    st.info(_("No runs yet. A run teaches the model from your examples."), icon=":material/model_training:")
for job in overview.runs[:5]:
    run_row(job)
