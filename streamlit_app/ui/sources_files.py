"""Examples from this computer: files that are uploaded, text that is pasted, a path that is read where it is."""

from __future__ import annotations

import json
from pathlib import Path

import streamlit as st

from backend.datasets import Datasets
from backend.domain_datasets import Draft
from backend.errors import BadInput, NotFound
from backend.i18n import _
from backend.studio.pasted_text import EXAMPLE
from streamlit_app import session
from streamlit_app.ui import errors

_EXAMPLE = [
    {"role": "user", "content": "When is the library open?"},
    {"role": "assistant", "content": "Every day from 9 to 18."},
]
TEMPLATE = (
    "\n".join(
        json.dumps({"messages": messages}, ensure_ascii=False)
        for messages in (
            _EXAMPLE,
            [
                {"role": "system", "content": "You answer for the city library."},
                {"role": "user", "content": "Can I renew a book?"},
                {"role": "assistant", "content": "Yes, twice, for two weeks each."},
                {"role": "user", "content": "And a film?"},
                {"role": "assistant", "content": "Films can be renewed once."},
            ],
        )
    )
    + "\n"
)
_USED = ("pasted", "path")


def go_to_draft(draft: Draft) -> None:
    """Open the draft's page; what was put into the fields here is not offered again."""
    for key in _USED:
        st.session_state.pop(key, None)
    # A new uploader for the next files: a browser may still hold those of the one before, and offer them again.
    st.session_state[session.UPLOADS] = st.session_state.get(session.UPLOADS, 0) + 1
    st.switch_page("app_pages/dataset.py", query_params={session.DRAFT_PARAMETER: draft.id})


def show_upload(datasets: Datasets, max_upload_mb: int) -> None:
    files = st.container(key="upload").file_uploader(
        _("Upload examples"),
        accept_multiple_files=True,
        max_upload_size=max_upload_mb,
        key=f"upload_{st.session_state.get(session.UPLOADS, 0)}",
        help=_("Several files become one dataset."),
    )
    if files:
        draft = None
        with errors.shown(), st.spinner(_("Reading the examples…"), show_time=True):
            draft = datasets.drafts.open([(file.name, file.getvalue()) for file in files])
        if draft is not None:
            go_to_draft(draft)
    st.caption(
        _(
            "JSONL, JSON, CSV or Parquet, also packed with gzip; up to {limit} MB a file. Questions and answers are "
            "found by looking. Everything stays on this computer."
        ).format(limit=max_upload_mb)
    )
    st.code(json.dumps({"messages": _EXAMPLE}, ensure_ascii=False), language=None, wrap_lines=True)
    st.download_button(
        _("Download a template"),
        TEMPLATE,
        file_name="examples-template.jsonl",
        mime="application/jsonl",
        key="template",
        icon=":material/download:",
        on_click="ignore",
    )


def show_paste(datasets: Datasets, max_upload_mb: int) -> None:
    with st.form("paste_form", border=False):
        text = st.text_area(
            _("Text of your examples"),
            key="pasted",
            height=220,
            placeholder=_("JSON, one record a line, or a table with a header such as question,answer"),
        )
        st.caption(_("Two columns copied from a spreadsheet will do, with a header. Between them is a tab:"))
        st.code(EXAMPLE.rstrip(), language=None)
        submitted = st.form_submit_button(_("Check this text"), key="paste_submit", icon=":material/fact_check:")
    if submitted:
        draft = None
        with errors.shown():
            if not (text or "").strip():
                raise BadInput(_("There is no text yet."), how_to_fix=_("Paste your examples into the field."))
            content = (text or "").encode("utf-8", "surrogatepass")
            if len(content) > max_upload_mb * 1_000_000:
                raise BadInput(
                    _("The text is too long to be pasted."),
                    how_to_fix=_("Save it as a file and add the file."),
                    code="too_large",
                )
            draft = datasets.open_text(text or "", _("Pasted text"))
        if draft is not None:
            go_to_draft(draft)


def show_path(datasets: Datasets) -> None:
    with st.form("path_form", border=False):
        path = st.text_input(
            _("Path of a file or a folder"),
            key="path",
            placeholder=str(Path.home() / "examples" / "chats.jsonl"),
            help=_("On the computer where Phi Desk runs."),
        )
        submitted = st.form_submit_button(_("Read it"), key="path_submit", icon=":material/folder_open:")
    st.caption(
        _(
            "For large files: they are read where they are, and nothing is uploaded. A folder gives all its files whose"
            " names end with jsonl, json, csv, tsv, txt or parquet, or these with gz."
        )
    )
    if submitted:
        draft = None
        with errors.shown(), st.spinner(_("Looking into it…"), show_time=True):
            draft = datasets.drafts.open([_existing(path or "")])
        if draft is not None:
            go_to_draft(draft)


def _existing(text: str) -> Path:
    """Raises BadInput or NotFound in words. People paste paths with quotes around them."""
    text = text.strip().strip("\"'")
    if not text or "\0" in text:
        raise BadInput(
            _("There is no path yet."), how_to_fix=_("Write where the file or the folder is."), code="no_path"
        )
    try:
        path = Path(text).expanduser()
        is_there = path.exists()
    except (OSError, RuntimeError) as error:  # a name that is too long, a home that is unknown, no permission
        raise NotFound(
            _("The path can't be looked at."),
            how_to_fix=_("Check how it is written, and who may read it."),
            code="bad_path",
            raw=str(error),
        ) from error
    if not path.is_absolute():
        raise BadInput(
            _("The path is not complete."),
            how_to_fix=_("Write it from the root of the disk, such as {example}.").format(example=Path.home() / text),
            code="relative_path",
        )
    if not is_there:
        raise NotFound(
            _("There is no file or folder {path}.").format(path=text[:200]),
            how_to_fix=_("Check how it is written."),
            code="no_such_path",
        )
    return path
