"""The three ways to add a dataset: a file of one's own, the sample, or a dataset from Hugging Face."""

from __future__ import annotations

import hashlib
import json

import pandas as pd
import streamlit as st

from backend.dataset_reading import Row
from backend.datasets import Datasets
from backend.domain import DataReport, Dataset
from backend.i18n import _, ngettext
from streamlit_app import session
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.conversation_table import show_rows
from streamlit_app.ui.hub_import import show_hub_import
from streamlit_app.ui.keyboard import primary_shortcut

PREVIEW_ROWS = 50
SHOWN_PROBLEMS = 200

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


def show(datasets: Datasets, *, max_upload_mb: int, is_first: bool) -> None:
    upload, sample, hub = st.tabs(
        [_(":material/upload_file: Your file"), _(":material/local_library: Sample"), _(":material/hub: Hugging Face")]
    )
    with upload:
        _show_upload(datasets, max_upload_mb)
    with sample:
        st.write(_("A few hundred short conversations that come with Phi Desk, to see the whole way in minutes."))
        if st.button(_("Try with sample data"), key="use_sample", icon=":material/local_library:"):
            with errors.shown():
                _open(datasets.create_from_sample())
    with hub:
        show_hub_import(datasets)


def _open(dataset: Dataset) -> None:
    st.session_state.pop(session.CHECKED_UPLOAD, None)
    # A new uploader for the next file: a browser may still hold the file of the one before, and offer it again.
    st.session_state[session.SAVED_UPLOADS] = st.session_state.get(session.SAVED_UPLOADS, 0) + 1
    st.session_state[session.PENDING_TOAST] = _("{name} is ready.").format(name=dataset.name)
    st.switch_page("app_pages/dataset.py", query_params={session.DATASET_PARAMETER: dataset.id})


def _show_upload(datasets: Datasets, max_upload_mb: int) -> None:
    number = st.session_state.get(session.SAVED_UPLOADS, 0)
    file = st.container(key="upload").file_uploader(
        _("Upload examples"),
        max_upload_size=max_upload_mb,
        key=f"upload_{number}",
        help=_("JSONL: one conversation a line."),
    )
    if file is None:
        st.caption(
            _("One conversation a line (JSONL), up to {limit} MB. It stays on this computer.").format(
                limit=max_upload_mb
            )
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
        return
    content = file.getvalue()
    with errors.shown():
        report, rows = _checked(datasets, content, file.name, max_upload_mb)
        _show_report(report)
        if report.good_rows:
            st.header(_("First examples"))
            show_rows(rows, key="upload_preview")
            _show_save(datasets, content, file.name, report, max_upload_mb)


def _checked(datasets: Datasets, content: bytes, filename: str, max_upload_mb: int) -> tuple[DataReport, list[Row]]:
    """Read the file once, and remember what was found while it stays in the uploader."""
    fingerprint = hashlib.sha256(content).hexdigest() + filename
    remembered = st.session_state.get(session.CHECKED_UPLOAD)
    if remembered is None or remembered[0] != fingerprint:
        with st.spinner(_("Reading the examples…"), show_time=True):
            report = datasets.check(content, filename, limit_mb=max_upload_mb)
            rows = list(datasets.rows(content, 0, PREVIEW_ROWS)) if report.good_rows else []
        remembered = (fingerprint, report, rows)
        st.session_state["dataset_name"] = _stem(filename)[:60]  # the field would keep the name of the file before
        st.session_state[session.CHECKED_UPLOAD] = remembered
    return remembered[1], remembered[2]


def _stem(filename: str) -> str:
    return filename.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _show_report(report: DataReport) -> None:
    bad = report.rows - report.good_rows
    if not report.problem_count:
        st.success(
            ngettext("{n} example, all good.", "{n} examples, all good.", report.good_rows).format(
                n=numbers.count(report.good_rows)
            ),
            icon=":material/check_circle:",
        )
        return
    if report.good_rows:
        st.warning(
            _("{good} of {rows} examples can be used. {bad} have problems, listed below with their lines.").format(
                good=numbers.count(report.good_rows), rows=numbers.count(report.rows), bad=numbers.count(bad)
            ),
            icon=":material/rule:",
        )
    else:
        st.error(
            _("Correct the file as the table says, and upload it again."),
            title=_("No example in this file can be used"),
            icon=":material/error:",
        )
    st.dataframe(
        pd.DataFrame(
            {
                _("Line"): [str(problem.line) if problem.line else _("file") for problem in report.problems],
                _("Problem"): [problem.message for problem in report.problems],
                _("What to do"): [problem.fix for problem in report.problems],
            }
        ).head(SHOWN_PROBLEMS),
        hide_index=True,
        key="problem_table",
        column_config={_("Line"): st.column_config.TextColumn(width=60)},
        alt=_("Problems in the file, by line"),
    )
    if report.problem_count > SHOWN_PROBLEMS:
        st.caption(
            _("The first {n} of {all} problems.").format(n=SHOWN_PROBLEMS, all=numbers.count(report.problem_count))
        )


def _show_save(datasets: Datasets, content: bytes, filename: str, report: DataReport, max_upload_mb: int) -> None:
    st.header(_("Save as a dataset"))
    name = st.text_input(_("Name"), max_chars=60, key="dataset_name")
    with st.expander(_("Examples kept aside for checking"), icon=":material/call_split:"):
        own = st.file_uploader(
            _("Your own check file, if you have one"),
            max_upload_size=max_upload_mb,
            key=f"eval_upload_{st.session_state.get(session.SAVED_UPLOADS, 0)}",
        )
        share = st.slider(_("Share kept aside, in percent"), 5, 50, 20, 5, key="eval_share", disabled=own is not None)
        seed = st.number_input(
            _("Seed of the split"),
            0,
            2**31 - 1,
            0,
            key="split_seed",
            disabled=own is not None,
            help=_("The same seed gives the same split again."),
        )
    bad = report.rows - report.good_rows
    label = ngettext("Use {n} example", "Use {n} examples", report.good_rows)
    if bad:
        label = _("Use {n} good examples, skip {bad}")
    if st.button(
        label.format(n=numbers.count(report.good_rows), bad=numbers.count(bad)),
        key="save_dataset",
        type="primary",
        icon=":material/check:",
        shortcut=primary_shortcut(),
    ):
        with errors.shown(), st.spinner(_("Saving…")):
            dataset = datasets.create_from_file(
                content,
                name or _stem(filename),
                filename=filename,
                eval_source=own.getvalue() if own else None,
                eval_filename=own.name if own else "",
                eval_fraction=share / 100,
                seed=int(seed),
                skip_bad=bool(bad),
                limit_mb=max_upload_mb,
            )
            _open(dataset)
