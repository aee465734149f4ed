"""The base models that can be tuned, and how Hugging Face is reached."""

from __future__ import annotations

import streamlit as st

from backend.domain import BUILT_IN_MODEL, BaseModel
from backend.errors import PhiDeskError
from backend.i18n import _, ngettext
from streamlit_app import session
from streamlit_app.ui import numbers
from streamlit_app.ui.safe_text import plain

MOST_AT_A_GLANCE = 6


def show() -> None:
    models = session.base_models()
    with st.container(border=True, key="base_models"):
        st.header(_(":material/deployed_code: Base models"))
        st.caption(_("A base model is what your examples are taught to. The built-in one needs no download."))
        if len(models) <= MOST_AT_A_GLANCE:
            for model in models:
                _show_base_model(model)
            return
        label = ngettext(
            "{n} base model to choose from on Train", "{n} base models to choose from on Train", len(models)
        )
        with st.expander(label.format(n=len(models)), key="all_base_models"):
            for model in models:
                _show_base_model(model)


def title_of(model: str) -> str:
    """A catalogue's model by its title, for its id is an address; others as they are, and all when nobody answers."""
    if "://" not in model:
        return model
    try:
        found = next((one for one in session.base_models() if one.id == model), None)
    except PhiDeskError:  # a title is not worth a page
        return model
    return _("{title} · catalogue").format(title=found.title) if found else model


def _show_base_model(model: BaseModel) -> None:
    facts = [
        _("{n} parameters").format(n=numbers.short_count(model.parameters)) if model.parameters else "",
        model.licence,
        _("built in") if model.id == BUILT_IN_MODEL else "",
        _("from the catalogue") if model.source == "catalogue" else "",
        _("on this computer")
        if model.is_local and model.id != BUILT_IN_MODEL
        else (_("{size} to download").format(size=numbers.size(model.download_bytes)) if model.download_bytes else ""),
    ]
    icon = ":green[:material/check_circle:]" if model.fits else ":orange[:material/warning:]"
    text = f"{icon} **{plain(model.title)}** · {plain(' · '.join(fact for fact in facts if fact))}"
    if model.fit_reason:
        text += f"  \n{plain(model.fit_reason)}"
    st.markdown(text)


def show_hub(*, has_token: bool) -> None:
    with st.container(border=True, key="hub"):
        with st.container(horizontal=True, vertical_alignment="center", key="hub_head"):
            st.header(_(":material/cloud_download: Hugging Face"))
            if has_token:
                st.badge(_("Token found"), icon=":material/check:", color="green")
            else:
                st.badge(_("No token"), color="gray")
        if has_token:
            st.write(_("HF_TOKEN is set. It is never shown, and goes to Hugging Face only."))
        else:
            st.write(
                _("Open models and datasets need none. For gated ones set HF_TOKEN in the environment and start again.")
            )
