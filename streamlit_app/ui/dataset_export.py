"""Taking a dataset elsewhere: a file to download, a file on this computer, or the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Dataset
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.safe_text import plain

MAX_DOWNLOAD = 50_000_000
"""Bytes; a larger file is written to a path on this computer, because a download is held in memory."""

FORMATS = {"jsonl": _("JSON Lines"), "parquet": _("Parquet")}


def show(datasets: Datasets, dataset: Dataset) -> None:
    st.header(_("As a file"))
    _show_file(datasets, dataset)
    st.header(_("To the Hugging Face Hub"))
    _show_hub(datasets, dataset)


def _show_file(datasets: Datasets, dataset: Dataset) -> None:
    parts = {
        "train": _("To learn from ({n})").format(n=numbers.count(dataset.train_rows)),
        "eval": _("To check with ({n})").format(n=numbers.count(dataset.eval_rows)),
    }
    with st.container(horizontal=True, gap="medium", key="export_choices"):
        part = st.radio(_("Part"), list(parts), format_func=lambda one: parts[one], key="export_part")
        kind = st.radio(_("Format"), list(FORMATS), format_func=lambda one: FORMATS[one], key="export_format")
    path = Path(dataset.train_path if part == "train" else dataset.eval_path)
    name = f"{dataset.id}-v{dataset.version}-{part}.{kind}"
    if path.stat().st_size > MAX_DOWNLOAD:
        _show_path(datasets, dataset, part, kind, name)
        return

    def content() -> bytes:
        made = datasets.export(dataset.id, part, kind, None)
        return made if isinstance(made, bytes) else Path(made).read_bytes()

    st.download_button(
        _("Download {name}").format(name=name),
        data=content,
        file_name=name,
        mime="application/jsonl" if kind == "jsonl" else "application/vnd.apache.parquet",
        key="export_download",
        icon=":material/download:",
        on_click="ignore",
    )


def _show_path(datasets: Datasets, dataset: Dataset, part: str, kind: str, name: str) -> None:
    st.caption(_("This file is too large for the browser. It is written to a path on this computer."))
    with st.form("export_form"):
        target = st.text_input(_("Write to"), str(Path.home() / name), key="export_target")
        wants = st.form_submit_button(_("Write file"), key="export_write", icon=":material/save:")
    if wants:
        with errors.shown(), st.spinner(_("Writing…"), show_time=True):
            made = datasets.export(dataset.id, part, kind, Path(target.strip()).expanduser())
            st.success(_("Written: {path}").format(path=plain(str(made))), icon=":material/check:")


def _show_hub(datasets: Datasets, dataset: Dataset) -> None:
    token = session.services().settings.hf_token
    if token is None:
        st.info(
            _("Uploading needs a token of your account. Set HF_TOKEN in the environment and start again."),
            icon=":material/key:",
        )
    with st.form("push_form", enter_to_submit=False):
        repo_id = st.text_input(_("Name of the repository"), placeholder=_("your-name/your-dataset"), key="push_repo")
        private = st.toggle(_("Private: only you can see it"), True, key="push_private")
        replace = st.toggle(_("Replace an earlier upload of this name"), False, key="push_replace")
        st.caption(
            _("Uploads {train} examples to learn from and {check} to check with, of version {version}.").format(
                train=numbers.count(dataset.train_rows),
                check=numbers.count(dataset.eval_rows),
                version=dataset.version,
            )
        )
        wants = st.form_submit_button(
            _("Upload to the Hub"), key="push", icon=":material/cloud_upload:", disabled=token is None
        )
    if wants:
        with errors.shown(), st.spinner(_("Uploading…"), show_time=True):
            address = datasets.push_to_hub(dataset.id, (repo_id or "").strip(), private=private, replace=replace)
            st.success(_("Uploaded: {address}").format(address=plain(str(address))), icon=":material/check:")
