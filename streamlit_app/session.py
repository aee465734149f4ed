"""The one door from the pages to the backend, and the names of what a person's session remembers.

`services()` is shared by all sessions and holds nothing of a person.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from backend import bootstrap
from backend.domain import Check
from backend.settings import Settings, quiet_vendors

if TYPE_CHECKING:
    from backend.bootstrap import Desk

# Names in st.session_state. What a link should restore is in the URL instead.
PENDING_FAILURE = "_pending_failure"
PENDING_TOAST = "_pending_toast"
CONFIRMED = "_confirmed"
NAME_DIFFERS = "_name_differs"
NEW_RUN_ID = "_new_run_id"
CHECKED_UPLOAD = "_checked_upload"
DRAFT = "_chat_draft"
ANSWERING = "_answering"
MODEL_WAS_ON = "_model_was_on"
HUB_IMPORT = "_hub_import"

DATASET_PARAMETER = "dataset"
JOB_PARAMETER = "job"
CONVERSATION_PARAMETER = "chat"


@st.cache_resource(show_spinner=False)
def services() -> Desk:
    """The object graph of the backend, built once per process."""
    settings = Settings()
    quiet_vendors(settings)
    return bootstrap.build(settings)


@st.cache_resource(ttl=30, show_spinner=False)
def checks() -> Sequence[Check]:
    """The target's preconditions; looking at the hardware takes too long for every click."""
    return services().target.check()


def warm_up() -> None:
    """Load what the first page would wait for, and take it out of the garbage collector's sight.

    Streamlit collects garbage after every rerun: 90 ms with the libraries in sight, 5-10 ms without (streamlit#8977).
    """
    import altair  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow  # noqa: F401

    gc.collect()
    gc.freeze()


def warm_up_services() -> None:
    """Let the model registry load its library, which takes seconds, while the person reads the first page."""
    services().target.models.list()
    gc.collect()
    gc.freeze()
