"""Labels, icons and colours of states, the same on every page. Text carries the meaning, colour repeats it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from backend.domain import EndpointState, JobState
from backend.i18n import _

Colour = Literal["red", "orange", "blue", "green", "gray"]


@dataclass(frozen=True)
class Look:
    label: str
    icon: str
    colour: Colour


JOB_LOOKS: dict[JobState, Look] = {
    JobState.QUEUED: Look(_("Waiting"), ":material/schedule:", "gray"),
    JobState.PREPARING: Look(_("Preparing"), ":material/hourglass_top:", "blue"),
    JobState.RUNNING: Look(_("Running"), ":material/play_circle:", "blue"),
    JobState.CANCELING: Look(_("Stopping"), ":material/hourglass_bottom:", "orange"),
    JobState.COMPLETED: Look(_("Finished"), ":material/check_circle:", "green"),
    JobState.FAILED: Look(_("Failed"), ":material/error:", "red"),
    JobState.CANCELED: Look(_("Stopped"), ":material/stop_circle:", "orange"),
    JobState.UNKNOWN: Look(_("No contact"), ":material/help:", "orange"),
}

ENDPOINT_LOOKS: dict[EndpointState, Look] = {
    EndpointState.CREATING: Look(_("Starting"), ":material/hourglass_top:", "blue"),
    EndpointState.RUNNING: Look(_("On"), ":material/check_circle:", "green"),
    EndpointState.STOPPED: Look(_("Off"), ":material/stop_circle:", "gray"),
    EndpointState.FAILED: Look(_("Failed"), ":material/error:", "red"),
    EndpointState.UNKNOWN: Look(_("No contact"), ":material/help:", "orange"),
}

ACTIVE_STATES = (JobState.QUEUED, JobState.PREPARING, JobState.RUNNING, JobState.CANCELING)

_PHASES = {
    "loading": _("Loading the base model"),
    "downloading": _("Downloading the base model"),
    "tokenizing": _("Reading the examples"),
    "base_eval": _("Measuring the base model"),
    "training": _("Training"),
    "saving": _("Saving the model"),
    "verifying": _("Checking the saved model"),
    "evaluating": _("Comparing answers"),
}


def phase(name: str) -> str:
    return _PHASES.get(name, _("Getting ready"))


def job_badge(state: JobState) -> None:
    look = JOB_LOOKS[state]
    st.badge(look.label, icon=look.icon, color=look.colour)


def endpoint_badge(state: EndpointState) -> None:
    look = ENDPOINT_LOOKS[state]
    st.badge(look.label, icon=look.icon, color=look.colour)
