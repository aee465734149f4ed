"""One run: how it stands, what it was asked to do, and the next step when it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from backend.domain import Feature, Job, JobState, Model
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import base_models, confirm, errors, links, numbers, run_monitor
from streamlit_app.ui.code_view import show_as_code
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.safe_text import plain

if TYPE_CHECKING:
    from backend.bootstrap import Desk


def show_run(desk: Desk, job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="run_title"):
        st.title(plain(job.spec.name), width="stretch")
        links.outside(_("Open where it runs"), job.link, key="run_link")
        if not job.state.is_final:
            _stop_button(desk, job)
    st.caption(
        _("{base} learns from {dataset}").format(
            base=plain(base_models.title_of(job.spec.base_model)), dataset=plain(job.spec.dataset_name)
        )
    )
    if job.state == JobState.COMPLETED:
        _finished(desk, job)
    run_monitor.watch(desk.training, job)
    if job.state in {JobState.FAILED, JobState.CANCELED}:
        _ended_early(desk, job)
    _settings(job)
    show_as_code(lambda: desk.training.as_code(job.spec), key="run_code")
    if job.state.is_final:
        _download_button(desk, job)
    if job.state.is_final and not _model_of(desk, job):
        _delete_button(desk, job)


def _stop_button(desk: Desk, job: Job) -> None:
    reason = desk.target.unsupported.get(Feature.CANCEL, "")
    if st.button(
        _("Stop run"),
        key="stop_run",
        icon=":material/stop:",
        disabled=bool(reason) or job.state == JobState.CANCELING,
        help=reason or None,
    ):
        confirm.ask(
            _("Stop {name}?").format(name=job.spec.name),
            _("It stops after the step it is at and keeps its last checkpoint. You can resume it later."),
            _("Stop run"),
            lambda: desk.training.stop(job.id),
            key="stop_run",
            toast=_("The run is stopping."),
            safe=_("Let it run"),
        )


def _finished(desk: Desk, job: Job) -> None:
    before, after = job.result.get("base_eval_loss"), job.result.get("tuned_eval_loss")
    if before is not None and after is not None:
        st.success(
            _("On examples it never trained on, the loss went from {before} to {after}.").format(
                before=numbers.decimals(before), after=numbers.decimals(after)
            ),
            icon=":material/trending_down:" if after < before else ":material/trending_up:",
        )
    model = _model_of(desk, job)
    if model is None:
        with st.container(horizontal=True, vertical_alignment="bottom", key="register"):
            name = st.text_input(
                _("Name of the model"),
                value=_model_name(job.spec.name),
                max_chars=60,
                key="model_name",
                width=320,
            )
            wants_register = st.button(
                _("Register model"),
                key="register_model",
                type="primary",
                icon=":material/bookmark_add:",
                shortcut=primary_shortcut(),
            )
        if wants_register:
            with errors.shown():
                desk.training.register(job.id, name or "")
                st.session_state[session.PENDING_TOAST] = _("Model registered.")
                st.rerun()
        st.caption(_("A registered model has a version, and can be compared, deployed and chatted with."))
    else:
        _registered(model)


def _model_of(desk: Desk, job: Job) -> Model | None:
    if job.state != JobState.COMPLETED:
        return None
    return next((model for model in desk.target.models.list() if model.job_id == job.id), None)


def _registered(model: Model) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="registered"):
        st.markdown(
            _(":material/bookmark: **{name}**, version {version}").format(
                name=plain(model.name), version=model.version
            ),
            width="stretch",
        )
        if st.button(_("Evaluate this model"), key="evaluate_model", type="primary", icon=":material/compare:"):
            st.switch_page("app_pages/evaluate.py", query_params={"model": model.ref})
        if st.button(_("Deploy it"), key="deploy_model", icon=":material/dns:"):
            st.switch_page("app_pages/deploy.py", query_params={"model": model.ref})


def _model_name(run_name: str) -> str:
    """Letters, digits and hyphens of the run's name."""
    words = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in run_name.lower()).split()
    return "-".join(words)[:40].strip("-") or "my-phi"


def _ended_early(desk: Desk, job: Job) -> None:
    with st.container(horizontal=True, key="ended_actions"):
        if job.can_resume:
            reason = desk.target.unsupported.get(Feature.RESUME, "")
            st.button(
                _("Resume from step {step}").format(step=numbers.count(job.step)) if job.step else _("Resume"),
                key="resume_run",
                type="primary",
                icon=":material/play_arrow:",
                shortcut=primary_shortcut(),
                on_click=errors.act,
                args=(desk.training.resume, job.id),
                kwargs={"toast": _("The run goes on.")},
                disabled=bool(reason),
                help=reason or None,
            )
        if st.button(_("Set up a new run"), key="run_again", type="secondary" if job.can_resume else "primary"):
            st.switch_page(
                "app_pages/train.py", query_params={"new": "1", session.DATASET_PARAMETER: job.spec.dataset_id}
            )


def _settings(job: Job) -> None:
    with st.expander(_("Settings of this run"), icon=":material/settings:"):
        facts = {
            _("Preset"): job.spec.recipe,
            _("Base model"): job.spec.base_model,
            _("Base revision"): job.spec.base_revision,
            _("Data hash"): job.spec.dataset_sha256[:16],
            _("Run id"): job.id,
            _("Attempt"): str(job.attempt),
            _("Machine"): f"{job.spec.machine.nodes} × {job.spec.machine.size}" if job.spec.machine.size else "",
            _("Cluster"): job.spec.machine.cluster,
            _("Device"): " ".join(str(job.result.get(key, "")) for key in ("device", "dtype", "reason")).strip(),
            _("Tokens trained"): numbers.count(job.result["trained_tokens"]) if "trained_tokens" in job.result else "",
        }
        facts |= {name.replace("_", " "): str(value) for name, value in job.spec.arguments.items()}
        shown = {name: value for name, value in facts.items() if value}
        st.dataframe(
            pd.DataFrame({_("Setting"): list(shown), _("Value"): list(shown.values())}),
            hide_index=True,
            key="run_settings",
            alt=_("Settings of this run"),
        )


def _download_button(desk: Desk, job: Job) -> None:
    """Into a folder of the computer that Phi Desk runs on: a model is too large for a browser's download."""
    if st.button(_("Download outputs"), key="download_run", icon=":material/download:", type="tertiary"):
        with errors.shown(), st.spinner(_("Copying the outputs…"), show_time=True):
            folder = desk.training.download(job.id, desk.settings.home / "downloads")
            st.caption(_("The outputs are in this folder:"))
            st.code(str(folder), language=None)


def _delete_button(desk: Desk, job: Job) -> None:
    if st.button(_("Delete run"), key="delete_run", icon=":material/delete:", type="tertiary"):
        confirm.ask(
            _("Delete {name}?").format(name=job.spec.name),
            _("Its log, checkpoints and figures are removed."),
            _("Delete run"),
            lambda: _delete(desk, job.id),
            key="delete_run",
            toast=_("Run deleted."),
        )


def _delete(desk: Desk, job_id: str) -> None:
    desk.training.delete(job_id)
    st.query_params.clear()
