"""Which model answers: the endpoints there are, and the models that could be started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from backend.domain import BUILT_IN_MODEL, Conversation, EndpointState
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.states import ENDPOINT_LOOKS

if TYPE_CHECKING:
    from backend.bootstrap import Desk


STREAMING = "openai"
"""The contract whose answers come word by word."""


@dataclass(frozen=True)
class Choice:
    """An endpoint, or (with `endpoint` empty) a model that has none yet."""

    endpoint: str
    model: str
    state: EndpointState | None
    contract: str = ""

    @property
    def id(self) -> str:
        return f"endpoint {self.endpoint}" if self.endpoint else f"model {self.model}"

    @property
    def is_running(self) -> bool:
        return self.state == EndpointState.RUNNING

    @property
    def title(self) -> str:
        state = ENDPOINT_LOOKS[self.state].label if self.state else _("not started")
        return f"{model_title(self.model) or self.endpoint} · {state}"  # an endpoint that is off may have no model


def model_title(model: str) -> str:
    if model == BUILT_IN_MODEL:
        return _("Built-in base model")
    name, colon, version = model.rpartition(":")
    return _("{name}, version {version}").format(name=name, version=version) if colon else model


def choices(desk: Desk) -> list[Choice]:
    """Running first; then tuned models; the base model last."""
    endpoints = [Choice(one.name, one.model, one.state, one.contract) for one in desk.deployments.list()]
    served = {choice.model for choice in endpoints}
    refs = [model.ref for model in desk.target.models.list()]
    if desk.target.costs is None:  # else a base model gets an endpoint on Deploy, where its price is shown
        refs += [model.id for model in session.base_models() if model.is_local]
    found = endpoints + [Choice("", ref, None) for ref in refs if ref not in served]
    return sorted(found, key=lambda choice: (not choice.is_running, choice.model == BUILT_IN_MODEL))


def choose(desk: Desk, conversation: Conversation | None) -> Choice | None:
    found = {choice.id: choice for choice in choices(desk)}
    if not found:
        st.info(_("There is no model to talk to yet."), icon=":material/chat:")
        return None
    key = _key(conversation)
    ids = list(found)
    models = [choice.model for choice in found.values()]
    titles = {
        choice.id: f"{choice.title} · {choice.endpoint}"
        if choice.model and models.count(choice.model) > 1
        else choice.title
        for choice in found.values()
    }
    wanted = "endpoint " + (conversation.endpoint if conversation else st.query_params.get("endpoint", ""))
    if st.session_state.get(key) not in found:
        st.session_state.pop(key, None)
    chosen = st.selectbox(
        _("Model"),
        ids,
        index=ids.index(wanted) if wanted in found else 0,
        format_func=lambda one: titles.get(one, one),
        key=key,
        width=360,
    )
    return found[chosen]


def say_how_it_answers(choice: Choice) -> None:
    if choice.is_running and choice.contract != STREAMING:
        st.caption(_("This endpoint gives its whole answer at once, after a while."))


def _key(conversation: Conversation | None) -> str:
    return f"chat_model_{conversation.id if conversation else 'new'}"


def show_not_running(desk: Desk, choice: Choice) -> None:
    if choice.state == EndpointState.CREATING:
        st.info(_("The model is starting."), icon=":material/hourglass_top:")
        _wait(desk, choice)
        return
    st.warning(_("The model is not running."), icon=":material/power_settings_new:")
    if choice.state == EndpointState.FAILED:
        failure = desk.deployments.get(choice.endpoint).failure
        if failure:
            errors.show_failure(failure)
    if desk.target.costs is not None and not choice.endpoint:
        st.caption(_("An endpoint costs by the hour. Deploy shows the price before it makes one."))
        if st.button(_("Open Deploy"), key="open_deploy", type="primary", icon=":material/dns:"):
            st.switch_page("app_pages/deploy.py", query_params={"model": choice.model})
        return
    if desk.target.costs is not None:
        st.caption(_("While it is on it costs by the hour; Deploy shows how much."))
    st.button(
        _("Start it"),
        key="start_model",
        type="primary",
        icon=":material/play_arrow:",
        on_click=_start,
        args=(desk, choice),
    )


def _start(desk: Desk, choice: Choice) -> None:
    if choice.endpoint:
        errors.act(desk.deployments.start, choice.endpoint)
        return
    endpoint = errors.act(desk.deployments.create, "", choice.model)
    if endpoint is not None:
        for key in [name for name in st.session_state if str(name).startswith("chat_model_")]:
            if st.session_state[key] == choice.id:
                st.session_state[key] = f"endpoint {endpoint.name}"


def _wait(desk: Desk, choice: Choice) -> None:
    @st.fragment(run_every=1 if desk.target.setup is None else 5)
    def tick() -> None:
        if desk.deployments.get(choice.endpoint).state != EndpointState.CREATING:
            st.rerun()
        st.caption(_("Updated {time}").format(time=numbers.clock()))

    tick()
