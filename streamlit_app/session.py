"""The one door from the pages to the backend, and the names of what a person's session remembers.

`services()` is shared by all sessions and holds nothing of a person. What a place far away answers slowly is kept for
a while: `forget_overview()` drops what every action may change, `forget()` all of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from backend import bootstrap
from backend.domain import BaseModel, Endpoint, Job
from backend.domain_setup import (
    Check,
    Choice,
    CostLine,
    MachineSize,
    Operation,
    OperationState,
    Option,
    Purpose,
    SignInState,
)
from backend.errors import PhiDeskError
from backend.settings import Settings, quiet_vendors
from streamlit_app.garbage import spare_libraries
from streamlit_app.latest import Latest

if TYPE_CHECKING:
    from backend.bootstrap import Desk

T = TypeVar("T")

# Names in st.session_state. What a link should restore is in the URL instead.
PENDING_FAILURE = "_pending_failure"
PENDING_TOAST = "_pending_toast"
SHOWN_PLACE = "_shown_place"
CONFIRMED = "_confirmed"
NAME_DIFFERS = "_name_differs"
NEW_RUN_ID = "_new_run_id"
SUGGESTED_RECIPE = "_suggested_recipe"
UPLOADS = "_uploads"
DRAFT = "_chat_draft"
ANSWERING = "_answering"
MODEL_WAS_ON = "_model_was_on"
LAST_CHANGE = "_last_change"
PENDING_CHANGES = "_pending_changes"
ASSET_DOWNLOAD = "_asset_download"
EDITED_EXAMPLE = "_edited_example"
EXAMPLES_PAGES = "_examples_pages"
CHOSEN_LENGTH = "_chosen_length"
CHECKED_LENGTH = "_checked_length"

SIGN_IN = "sign_in"

DATASET_PARAMETER = "dataset"
DRAFT_PARAMETER = "draft"
IMPORT_PARAMETER = "import"
JOB_PARAMETER = "job"
CONVERSATION_PARAMETER = "chat"


@dataclass
class _InUse:
    """The desk over the target in use. Choosing another target keeps the targets themselves: one may be signed in."""

    desk: Desk
    operations: Mapping[str, OperationState] = field(default_factory=dict)


@st.cache_resource(show_spinner=False)
def _in_use() -> _InUse:
    settings = Settings()
    quiet_vendors(settings)
    desk = bootstrap.build(settings)
    for target in desk.targets.values():
        if target.setup is not None:
            target.setup.resume()
    return _InUse(desk)


def services() -> Desk:
    """The object graph of the backend, built once per process."""
    return _in_use().desk


def use_target(name: str) -> None:
    """Raises BadInput, or Conflict where the target is fixed."""
    in_use = _in_use()
    in_use.desk = bootstrap.choose_target(in_use.desk, name)
    forget()


@st.cache_resource(ttl=30, show_spinner=False)
def _checks_here() -> Sequence[Check]:
    return services().target.check()


@st.cache_resource(ttl=600, show_spinner=False)
def _checks_afar() -> Sequence[Check]:
    return services().target.check()


def checks() -> Sequence[Check]:
    """The target's preconditions; looking at them takes too long for every click."""
    return _checks_here() if services().target.setup is None else _checks_afar()


@st.cache_resource(ttl=300, show_spinner=False)
def choices() -> Sequence[Choice]:
    setup = services().target.setup
    return setup.choices() if setup else ()


@st.cache_resource(ttl=300, show_spinner=False)
def sizes(purpose: Purpose) -> Sequence[MachineSize]:
    machines = services().target.machines
    return machines.sizes(purpose) if machines else ()


@st.cache_resource(ttl=60, show_spinner=False)
def clusters() -> Sequence[Option]:
    machines = services().target.machines
    return machines.clusters() if machines else ()


@st.cache_resource(ttl=300, show_spinner=False)
def _base_models_afar() -> Sequence[BaseModel]:
    return services().target.models.base_models()


def base_models() -> Sequence[BaseModel]:
    target = services().target
    return target.models.base_models() if target.setup is None else _base_models_afar()


@dataclass(frozen=True)
class Overview:
    """What every page's status bar shows."""

    runs: Sequence[Job] = ()
    comparisons: Sequence[Job] = ()
    endpoints: Sequence[Endpoint] = ()
    costs: Sequence[CostLine] = ()


@st.cache_resource(show_spinner=False)
def _overviews() -> Latest[Overview]:
    return Latest(fresh=15, usable=120)


@st.cache_resource(show_spinner=False)
def _looks() -> Latest[Any]:
    return Latest(fresh=1, usable=30)


def look(key: str, fetch: Callable[[], T]) -> T:
    """For what is drawn each second. `fetch` may work in another thread: it asks the backend only."""
    target = services().target
    if target.setup is None:
        return fetch()
    answer: T = _looks().get((target.name, key), fetch)
    return answer


def keep_look(key: str, fetch: Callable[[], object]) -> None:
    """A page that is drawn anew shows what is so now, and not what the last look saw."""
    target = services().target
    if target.setup is not None:
        _looks().put((target.name, key), fetch())


def _look_over(desk: Desk) -> Overview:
    costs = desk.target.costs
    return Overview(
        desk.training.list(limit=50),
        desk.evaluation.list(10),
        desk.deployments.list(),
        costs.lines() if costs else (),
    )


def overview() -> Overview:
    """Raises PhiDeskError when the target can't be asked; nothing of a target that is not connected."""
    if not is_connected():
        return Overview()
    desk = services()
    if desk.target.setup is None:
        return _look_over(desk)
    return _overviews().get(desk.target.name, lambda: _look_over(desk))


def is_connected() -> bool:
    return not missing_connection()


def missing_connection() -> str:
    """What is to be done first on Setup: SIGN_IN, a choice's title, or nothing. Raises PhiDeskError."""
    setup = services().target.setup
    if setup is None:
        return ""
    operations()
    if setup.sign_in_state().state is not SignInState.SIGNED_IN:
        return SIGN_IN
    return next((one.title for one in choices() if not one.is_optional and not one.chosen), "")


def needs_sign_in() -> bool:
    """Whether the target has an account and nobody is signed in now. Asks nobody."""
    setup = services().target.setup
    return setup is not None and setup.sign_in_state().state is not SignInState.SIGNED_IN


def operations() -> Sequence[Operation]:
    """The target's long operations. When one has begun or ended since the last look, what was kept is dropped."""
    setup = services().target.setup
    found = setup.operations() if setup else ()
    states = {one.id: one.state for one in found}
    if states != _in_use().operations:
        _in_use().operations = states
        forget()
    return found


def forget_overview() -> None:
    _overviews().forget()


def forget() -> None:
    """After the set-up has changed."""
    for kept in (_checks_here, _checks_afar, choices, sizes, clusters, _base_models_afar):
        kept.clear()
    forget_overview()


def warm_up() -> None:
    """Load what the first page would wait for."""
    import altair  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow  # noqa: F401

    spare_libraries()


def warm_up_services() -> None:
    """Let the model registry load its library, which takes seconds, while the person reads the first page."""
    with contextlib.suppress(PhiDeskError):  # the page that needs it says so
        if is_connected():
            services().target.models.list()
    spare_libraries()
