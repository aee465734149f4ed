"""A run while it goes on and how it ended: one fragment that ticks until the state is final."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import pandas as pd
import streamlit as st

from backend.domain import Job, JobState, LogChunk, MetricPoint
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import errors, loss_chart, machine_fields, money, numbers
from streamlit_app.ui.log_view import show_log
from streamlit_app.ui.safe_text import plain
from streamlit_app.ui.states import job_badge, phase

SILENCE_SECONDS = 45
MIN_STEPS_FOR_ETA = 10


class Runs(Protocol):
    """What training and evaluation both offer for their jobs."""

    def get(self, job_id: str) -> Job: ...

    def metrics(self, job_id: str) -> Sequence[MetricPoint]: ...

    def logs(self, job_id: str, since: int | None = None) -> LogChunk: ...


def watch(runs: Runs, job: Job) -> None:
    """Draw the run. While it is not final this redraws itself; at the end the whole page is run once more."""
    every = 1 if session.services().target.setup is None else 2
    session.keep_look(_run_key(job.id), lambda: (job, runs.metrics(job.id)))
    st.fragment(_tick, run_every=None if job.state.is_final else every)(runs, job.id, job.state.is_final)


def _tick(runs: Runs, job_id: str, was_final: bool) -> None:
    job, points = session.look(_run_key(job_id), lambda: (runs.get(job_id), runs.metrics(job_id)))
    if job.state.is_final and not was_final:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", key="run_head"):
        job_badge(job.state)
        st.caption(_summary(job), width="stretch")
    is_told = job.link or job.state != JobState.CANCELING  # what is on its way no longer counts once it is to stop
    if job.detail and is_told and not job.state.is_final and session.services().target.setup is not None:
        # Before the service has the run, and so a page for it, the words are ours.
        said = _("In the service's own words: {detail}") if job.link else "{detail}"
        st.caption(said.format(detail=plain(job.detail)))
    _alerts(job)
    if not job.state.is_final:
        _progress(job)
    _tiles(job, points)
    _chart(points)
    log = st.expander(_("Log"), key="run_log", icon=":material/terminal:", on_change="rerun")
    if log.open:
        with log:
            show_log(lambda since: _read_log(runs, job_id, since), name=job_id, key="run_log_download")
    if not job.state.is_final:
        st.caption(_("Updated {time}. You can close this page; the run goes on.").format(time=numbers.clock()))


def _run_key(job_id: str) -> str:
    return f"run {job_id}"


def _read_log(runs: Runs, job_id: str, since: int | None) -> LogChunk:
    if since is None:
        return session.look(f"log {job_id}", lambda: runs.logs(job_id))
    return runs.logs(job_id, since)


def _summary(job: Job) -> str:
    """One sentence on where the run stands."""
    if job.state == JobState.COMPLETED and job.started_at and job.ended_at:
        return _("Finished in {time}.").format(time=numbers.duration((job.ended_at - job.started_at).total_seconds()))
    if job.state == JobState.QUEUED:
        return _("Waiting for its turn. You can close this window.")
    if job.state == JobState.PREPARING and session.services().target.setup is not None:
        return _("A machine and the packages are made ready. The first run often waits 10 to 30 minutes for it.")
    if job.state == JobState.CANCELED:
        if job.step:
            return _("Stopped by you at step {step}. The last checkpoint is kept.").format(step=numbers.count(job.step))
        return _("Stopped by you before the first step.")
    if job.state == JobState.FAILED:
        return _("Ended at step {step}.").format(step=numbers.count(job.step)) if job.step else _("Ended early.")
    if job.state == JobState.CANCELING and not job.started_at:
        return _("Stopping before it has begun.")
    if job.state == JobState.CANCELING:
        return _("Stopping after the step it is at, and saving a checkpoint.")
    return _("Started {time}.").format(time=numbers.local_time(job.started_at)) if job.started_at else ""


def is_silent(job: Job, now: datetime | None = None) -> bool:
    """Running, and no sign of life for so long that a person should know."""
    if job.state != JobState.RUNNING or job.heartbeat_at is None:
        return False
    return ((now or datetime.now(UTC)) - job.heartbeat_at).total_seconds() > SILENCE_SECONDS


def _alerts(job: Job) -> None:
    if job.state == JobState.FAILED and job.failure:
        errors.show_failure(job.failure)
    elif job.state == JobState.UNKNOWN or is_silent(job):
        silence = (datetime.now(UTC) - job.heartbeat_at).total_seconds() if job.heartbeat_at else None
        st.warning(
            _("The run may still be going."),
            title=_("No sign of life for {time}").format(time=numbers.duration(silence))
            if silence is not None
            else _("No sign of life from this run"),
            icon=":material/help:",
        )
        st.button(_("Check now"), key="check_now", icon=":material/refresh:")


def _progress(job: Job) -> None:
    if job.state == JobState.CANCELING and not job.started_at:
        return
    if job.state == JobState.QUEUED:
        st.progress(0.0, text=_("Waiting for its turn"))
    elif job.total_steps and job.phase == "training":
        done = min(1.0, job.step / job.total_steps)
        text = _("Step {step} of {total}. {left}").format(
            step=numbers.count(job.step), total=numbers.count(job.total_steps), left=time_left(job)
        )
        st.progress(done, text=text)
    else:
        share = f" {numbers.percent(job.phase_done)}" if job.phase_done else ""
        st.progress(job.phase_done or 0.0, text=phase(job.phase) + "…" + share)


def time_left(job: Job) -> str:
    if job.step < MIN_STEPS_FOR_ETA and job.total_steps > MIN_STEPS_FOR_ETA:
        return _("Estimating…")
    if job.seconds_left is None:
        return _("Estimating…")
    return _("{time} left at the current speed.").format(time=numbers.about(job.seconds_left))


def _tiles(job: Job, points: Sequence[MetricPoint]) -> None:
    train = loss_chart.with_loss(points, "train")
    check = loss_chart.with_loss(points, "eval")
    cost = cost_so_far(job)
    if not train and not check and not cost:
        return
    with st.grid(4, min_column_width=140, gap="small"):
        if job.total_steps:
            st.metric(_("Step"), f"{numbers.count(job.step)} / {numbers.count(job.total_steps)}", border=True)
        if train:
            st.metric(_("Training loss"), numbers.decimals(train[-1].values["loss"]), border=True)
        if check:
            first, last = check[0].values["loss"], check[-1].values["loss"]
            st.metric(
                _("Check loss"),
                numbers.decimals(last),
                delta=numbers.decimals(last - first) if len(check) > 1 else None,
                delta_color="inverse",
                border=True,
                help=_("How surprised the model is by examples it does not train on. Lower is better."),
            )
        if not job.state.is_final:
            is_known = job.step >= MIN_STEPS_FOR_ETA and job.seconds_left is not None
            left = numbers.about(job.seconds_left).removeprefix(_("About ")) if is_known else "…"
            st.metric(_("Time left"), left, border=True)
        if cost:
            st.metric(
                _("Cost") if job.state.is_final else _("Cost so far"),
                cost,
                border=True,
                help=_("An estimate: time × price of the machines."),
            )


def cost_so_far(job: Job, now: datetime | None = None) -> str:
    """Time × price × machines since the start; the empty string where nothing costs or nothing is known."""
    size = machine_fields.size_of(job.spec.machine.size) if job.spec.machine.size else None
    if size is None or job.started_at is None:
        return ""
    price = size.low_priority_price if job.spec.machine.is_low_priority else size.price
    if price is None:
        return ""
    hours = ((job.ended_at or now or datetime.now(UTC)) - job.started_at).total_seconds() / 3600
    return money.amount(price.per_hour * job.spec.machine.nodes * hours, price.currency)


def _chart(points: Sequence[MetricPoint]) -> None:
    rows = loss_chart.series(points)
    if rows:
        st.vega_lite_chart(pd.DataFrame(rows), loss_chart.spec(), key="loss_chart", alt=loss_chart.alt(points))
