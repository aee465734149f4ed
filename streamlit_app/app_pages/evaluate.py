"""Evaluate: one registered model against its base, on examples it never trained on (?model=, ?job=)."""

from __future__ import annotations

import streamlit as st

from backend.domain import Job, JobState
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import confirm, connection, errors, machine_fields, numbers, run_monitor
from streamlit_app.ui.comparison import show_comparison
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.safe_text import plain

MODEL_PARAMETER = "model"

desk = session.services()
connection.required(_("Evaluate"))


def show_start(ref: str, *, is_first: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="compare_row"):
        rows = st.number_input(_("Examples to compare, at most"), 2, 1000, 20, key="compare_rows", width=240)
        wants_start = st.button(
            _("Compare with base model") if is_first else _("Compare again"),
            key="compare",
            type="primary" if is_first else "secondary",
            icon=":material/compare:",
            shortcut=primary_shortcut(),
        )
    with errors.shown():
        where = machine_fields.in_words(desk.evaluation.spec(ref).machine)
        if where:
            st.caption(_("It runs on {machine}, after some minutes of waiting for it.").format(machine=where))
    if wants_start:
        with errors.shown():
            job = desk.evaluation.start(desk.evaluation.spec(ref, max_rows=int(rows)))
            st.query_params.from_dict({MODEL_PARAMETER: ref, session.JOB_PARAMETER: job.id})
            st.rerun()


def show_job(job: Job) -> None:
    if job.state == JobState.COMPLETED:
        with errors.shown():
            show_comparison(desk.evaluation.result(job.id))
        return
    if not job.state.is_final and st.button(_("Stop comparing"), key="stop_comparing", icon=":material/stop:"):
        confirm.ask(
            _("Stop comparing?"),
            _("What has been compared so far is lost."),
            _("Stop comparing"),
            lambda: desk.evaluation.stop(job.id),
            key="stop_comparing",
            safe=_("Let it run"),
        )
    run_monitor.watch(desk.evaluation, job)


st.title(_("Evaluate"))
st.caption(_("The same questions, asked before and after training."))
models = desk.target.models.list()
if not models:
    st.info(_("Nothing to compare yet. Finish a run and register its model first."), icon=":material/compare:")
    if st.button(_("Open Train"), key="open_train", type="primary", shortcut=primary_shortcut()):
        st.switch_page("app_pages/train.py")
    st.stop()

refs = [model.ref for model in models]
wanted = st.query_params.get(MODEL_PARAMETER)
ref = st.selectbox(
    _("Model"),
    refs,
    index=refs.index(wanted) if wanted in refs else 0,
    format_func=lambda one: _("{name}, version {version}").format(
        name=one.rsplit(":", 1)[0], version=one.rsplit(":", 1)[-1]
    ),
    key="evaluated_model",
)
if ref != wanted and session.JOB_PARAMETER in st.query_params:
    del st.query_params[session.JOB_PARAMETER]
st.query_params[MODEL_PARAMETER] = ref

evaluations = [job for job in desk.evaluation.list() if job.spec.tuned_model == ref]
chosen_id = st.query_params.get(session.JOB_PARAMETER)
chosen = next((job for job in evaluations if job.id == chosen_id), evaluations[0] if evaluations else None)
if chosen is None:
    st.info(
        _("Not compared yet. It asks both models the examples that were kept aside, and takes a minute or two."),
        icon=":material/compare:",
    )
    show_start(ref, is_first=True)
else:
    if chosen.ended_at:
        st.caption(
            _("Compared {when}, on examples of {dataset}").format(
                when=numbers.local_time(chosen.ended_at), dataset=plain(chosen.spec.dataset_name)
            )
        )
    show_job(chosen)
    if chosen.state.is_final:
        show_start(ref, is_first=chosen.state != JobState.COMPLETED)
