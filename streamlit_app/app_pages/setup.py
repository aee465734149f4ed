"""Setup: what this computer has, which base models it can tune, and the two connections it may have."""

from __future__ import annotations

import streamlit as st

from backend.domain import BUILT_IN_MODEL, BaseModel, Check
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.safe_text import plain

desk = session.services()
st.title(_("Setup"))
st.caption(_("Where models train and answer. Nothing leaves this computer unless you connect a cloud."))


def show_check(number: int, check: Check) -> None:
    icon = (
        ":green[:material/check_circle:]"
        if check.is_ok
        else (":orange[:material/warning:]" if check.is_warning else ":red[:material/cancel:]")
    )
    lines = [f"{icon} **{plain(check.name)}** · {plain(check.what)}"]
    if not check.is_ok:
        lines += [plain(part) for part in (check.why, check.how_to_fix) if part]
    with st.container(horizontal=True, vertical_alignment="center", key=f"check_{number}"):
        st.markdown("  \n".join(lines), width="stretch")
        if check.fix and not check.is_ok:
            st.button(_("Fix it"), key=f"fix_{number}", on_click=errors.act, args=(check.fix,))


def show_base_model(number: int, model: BaseModel) -> None:
    facts = [
        _("{n} parameters").format(n=numbers.short_count(model.parameters)) if model.parameters else "",
        model.licence,
        _("built in") if model.id == BUILT_IN_MODEL else "",
        _("on this computer")
        if model.is_local and model.id != BUILT_IN_MODEL
        else (_("{size} to download").format(size=numbers.size(model.download_bytes)) if model.download_bytes else ""),
    ]
    icon = ":green[:material/check_circle:]" if model.fits else ":orange[:material/warning:]"
    text = f"{icon} **{plain(model.title)}** · {plain(' · '.join(fact for fact in facts if fact))}"
    if model.fit_reason:
        text += f"  \n{plain(model.fit_reason)}"
    st.markdown(text)


with st.container(border=True, key="this_computer"):
    with st.container(horizontal=True, vertical_alignment="center", key="this_computer_head"):
        st.header(f":material/computer: {plain(desk.target.title)}")
        st.badge(_("In use"), icon=":material/check:", color="green")
    with st.spinner(_("Looking at this computer…"), show_time=True):
        checks = session.checks()
    for number, check in enumerate(checks):
        show_check(number, check)
    st.button(_("Check again"), key="check_again", icon=":material/refresh:", on_click=session.checks.clear)

with st.container(border=True, key="base_models"):
    st.header(_(":material/deployed_code: Base models"))
    st.caption(_("A base model is what your examples are taught to. The built-in one needs no download."))
    for number, model in enumerate(desk.target.models.base_models()):
        show_base_model(number, model)

with st.container(border=True, key="hub"):
    with st.container(horizontal=True, vertical_alignment="center", key="hub_head"):
        st.header(_(":material/cloud_download: Hugging Face"))
        if desk.settings.hf_token:
            st.badge(_("Token found"), icon=":material/check:", color="green")
        else:
            st.badge(_("No token"), color="gray")
    if desk.settings.hf_token:
        st.write(_("HF_TOKEN is set. It is never shown, and goes to Hugging Face only."))
    else:
        st.write(
            _("Open models and datasets need none. For gated ones set HF_TOKEN in the environment and start again.")
        )

with st.container(border=True, key="azure"):
    with st.container(horizontal=True, vertical_alignment="center", key="azure_head"):
        st.header(_(":material/cloud: Azure Machine Learning"))
        st.badge(_("Not connected"), color="gray")
    st.write(
        _(
            "Training and answering on Azure comes in a later version. Everything you make here moves there as it is: "
            "the same training job, the same flow, the same contracts."
        )
    )

has_data = bool(desk.datasets.list())
if not has_data and st.button(_("Use this computer"), key="use_this", type="primary", shortcut=primary_shortcut()):
    st.switch_page("app_pages/dataset.py")
