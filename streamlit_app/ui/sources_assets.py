"""Data assets of the target as examples, where the target keeps such things; else why there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from backend.domain import Feature
from backend.domain_datasets import DataAsset, Draft
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.safe_text import plain
from streamlit_app.ui.sources_files import go_to_draft

LISTED = 30

if TYPE_CHECKING:
    from backend.bootstrap import Desk


def show_assets(desk: Desk) -> None:
    kept = desk.target.data_assets
    if kept is None:
        st.info(plain(desk.target.unsupported.get(Feature.DATA_ASSETS, "")), icon=":material/cloud_off:")
        st.page_link("app_pages/setup.py", label=_("Open Setup"), icon=":material/computer:")
        return
    if not session.is_connected():
        st.info(_("Connect Azure on Setup first."), icon=":material/cloud_off:")
        st.page_link("app_pages/setup.py", label=_("Open Setup"), icon=":material/computer:")
        return
    with errors.shown():
        with st.spinner(_("Asking what is there…"), show_time=True):
            assets = list(kept.list())[:LISTED]
        if not assets:
            st.info(_("The workspace has no data assets yet."), icon=":material/cloud:")
            return
        asset = st.radio(
            _("Data assets"),
            assets,
            index=None,
            format_func=lambda one: plain(one.name),
            captions=[_facts(one) for one in assets],
            key="asset",
        )
        if asset and st.button(_("Get data asset"), key="get_asset", icon=":material/download:"):
            with st.spinner(_("Downloading {name}. Stay on this page.").format(name=plain(asset.name)), show_time=True):
                draft = _open(desk, asset)
            go_to_draft(draft)


def _facts(asset: DataAsset) -> str:
    parts = [_("version {n}").format(n=asset.version), asset.kind]
    if asset.created_at:
        parts.append(numbers.local_time(asset.created_at))
    return " · ".join(plain(part) for part in parts if part)


def _open(desk: Desk, asset: DataAsset) -> Draft:
    """A version never changes, so what was downloaded before is used again."""
    folder = desk.settings.home / "data-assets"
    place = folder / f"{asset.name}-{asset.version}"
    if not place.exists() and desk.target.data_assets is not None:
        place = desk.target.data_assets.download(asset.name, asset.version, folder)
    return desk.datasets.drafts.open(
        [place], asset.name, origin="azure", detail={"asset": f"{asset.name}:{asset.version}"}
    )
