"""Data assets of the target as examples, where the target keeps such things; else why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from backend.domain import Feature
from backend.domain_datasets import DataAsset, Draft
from backend.i18n import _
from backend.studio.running_work import OnProgress, Running, RunningWork
from streamlit_app import session
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.safe_text import plain
from streamlit_app.ui.sources_files import go_to_draft

LISTED = 30
AT_ONCE_SECONDS = 1.0

if TYPE_CHECKING:
    from backend.bootstrap import Desk


@dataclass(frozen=True)
class Download:
    name: str
    running: Running[Draft]


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
        if _show_download():
            return
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
            running = _downloads().begin((asset.name, asset.version), lambda tell: _open(desk, asset, tell))
            running.wait(AT_ONCE_SECONDS)
            st.session_state[session.ASSET_DOWNLOAD] = Download(asset.name, running)
            st.rerun()


@st.cache_resource(show_spinner=False)
def _downloads() -> RunningWork:
    return RunningWork()


def _show_download() -> bool:
    """Whether the one that this session has begun goes on. Once it is there, its draft is opened."""
    download: Download | None = st.session_state.get(session.ASSET_DOWNLOAD)
    if download is None:
        return False
    if download.running.is_over:
        del st.session_state[session.ASSET_DOWNLOAD]
        with errors.shown():
            go_to_draft(download.running.result())
        return False
    _watch(download)
    st.button(_("Cancel"), key="cancel_asset", icon=":material/close:", on_click=download.running.stop)
    return True


@st.fragment(run_every="0.5s")
def _watch(download: Download) -> None:
    if download.running.is_over:
        st.rerun()
    st.progress(min(1.0, download.running.done), _("Downloading {name}…").format(name=plain(download.name)))
    st.caption(
        _(
            "Updated {time}. It goes on when you leave this page, and ends among the datasets that are not saved yet."
        ).format(time=numbers.clock())
    )


def _facts(asset: DataAsset) -> str:
    parts = [_("version {n}").format(n=asset.version), asset.kind]
    if asset.created_at:
        parts.append(numbers.local_time(asset.created_at))
    return " · ".join(plain(part) for part in parts if part)


def _open(desk: Desk, asset: DataAsset, tell: OnProgress) -> Draft:
    """A version never changes, so what was downloaded before is used again."""
    folder = desk.settings.home / "data-assets"
    place = folder / f"{asset.name}-{asset.version}"
    if not place.exists() and desk.target.data_assets is not None:
        place = desk.target.data_assets.download(
            asset.name, asset.version, folder, lambda done, total: tell(done / max(1, total))
        )
    return desk.datasets.drafts.open(
        [place], asset.name, origin="azure", detail={"asset": f"{asset.name}:{asset.version}"}
    )
