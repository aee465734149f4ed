"""What the files of a draft were recognised as; and a person says what the columns of those mean that don't tell, one
set of columns after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.datasets import Datasets
from backend.domain_datasets import Draft, FileFormat, FormatKind, RecordFormat
from backend.i18n import _, ngettext
from backend.studio.format_words import describe_format
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.column_form import show_form
from streamlit_app.ui.safe_text import plain
from streamlit_app.ui.turned_page import begin_at_top

SHOWN_FORMATS = 5


def needs_mapping(draft: Draft) -> bool:
    """Whether a person must look before anything else makes sense."""
    return bool(draft.unclear)


def show_format(datasets: Datasets, draft: Draft) -> None:
    if draft.unclear:
        _ask(datasets, draft)
        return
    if draft.report.format.kind is FormatKind.UNKNOWN:
        return
    _show_recognised([form for form in draft.report.formats if form.kind is not FormatKind.MAPPED])
    _show_answered(draft)
    if draft.report.notes:
        st.caption("  \n".join(plain(note) for note in draft.report.notes))
    _offer_another_way(datasets, draft, _("Read the columns in another way"), draft.read_as)


def _ask(datasets: Datasets, draft: Draft) -> None:
    """About one set of columns; what the other files were recognised as, or said to be, is told."""
    files, *others = _by_columns(draft.unclear)
    file = files[0]
    is_one_of_several = len(draft.files) > 1
    if is_one_of_several:
        st.header(_("What do the columns of {file} mean?").format(file=plain(file.name)))
    else:
        st.header(_("What do the columns mean?"))
    st.write(_("The file does not say it clearly. Choose, and look at the preview; the file itself stays as it is."))
    if told := _how_many(len(files) - 1, len(others)):
        st.caption("  \n".join(told))
    show_form(datasets, draft.id, file, is_asked=True)
    if not is_one_of_several:
        return
    with st.container(horizontal=True, key="draft_leave_out_buttons"):
        _offer_to_leave_out(datasets, draft, files)
    if draft.answered:
        st.subheader(_("Said already"))
        _show_answered(draft)
        _offer_another_way(datasets, draft, _("Change what was said"), draft.answered)
    recognised = [form for form in draft.report.formats if form.is_sure and form.kind is not FormatKind.MAPPED]
    count = len(draft.files) - len(draft.unclear) - len(draft.answered)
    if recognised and count > 0:
        st.caption(
            ngettext("The other file is recognised.", "The other {n} files are recognised.", count).format(n=count)
        )
        _show_recognised(recognised)


def _how_many(alike: int, left: int) -> Sequence[str]:
    """`alike` other files have the same columns, and `left` other sets of columns are asked about afterwards."""
    told = []
    if alike:
        told.append(
            ngettext(
                "{n} more file has the same columns and is read the same way.",
                "{n} more files have the same columns and are read the same way.",
                alike,
            ).format(n=numbers.count(alike))
        )
    if left:
        told.append(
            ngettext(
                "After this one, {n} more file has other columns that are unclear.",
                "After this one, {n} more files have other columns that are unclear.",
                left,
            ).format(n=numbers.count(left))
        )
    return told


def _offer_to_leave_out(datasets: Datasets, draft: Draft, files: Sequence[FileFormat]) -> None:
    st.button(
        _("Leave this file out"),
        key="draft_leave_out",
        icon=":material/remove_circle:",
        on_click=errors.act,
        args=(_leave_out, datasets, draft.id, files[:1]),
    )
    if 1 < len(files) < len(draft.files):
        st.button(
            _("Leave all {n} out").format(n=numbers.count(len(files))),
            key="draft_leave_all_out",
            icon=":material/remove_circle:",
            on_click=errors.act,
            args=(_leave_out, datasets, draft.id, files),
        )


def _leave_out(datasets: Datasets, draft_id: str, files: Sequence[FileFormat]) -> None:
    datasets.drafts.leave_out(draft_id, *(file.number for file in files))
    begin_at_top()


def _show_recognised(formats: Sequence[RecordFormat]) -> None:
    sentences = list(dict.fromkeys(describe_format(form) for form in formats))
    for sentence in sentences[:SHOWN_FORMATS]:
        st.markdown(f":material/fact_check: {plain(sentence)}")


def _show_answered(draft: Draft) -> None:
    """What was said, and of which files where there are several."""
    for files in _by_columns(draft.answered)[:SHOWN_FORMATS]:
        sentence = plain(describe_format(files[0].format))
        named = f"**{plain(_named(files))}**  \n" if len(draft.files) > 1 else ""
        st.markdown(f":material/view_column: {named}{sentence}")


def _offer_another_way(datasets: Datasets, draft: Draft, label: str, files: Sequence[FileFormat]) -> None:
    """The form about any of these files."""
    groups = {group[0].number: group for group in _by_columns(files) if len(group[0].format.columns) > 1}
    if not groups:
        return
    corner = st.expander(label, key="draft_mapping", on_change="rerun", icon=":material/view_column:")
    if not corner.open:
        return
    with corner:
        number = next(iter(groups))
        if len(groups) > 1:
            number = st.selectbox(
                _("File"), list(groups), format_func=lambda one: _named(groups[one]), key="draft_mapping_file"
            )
        show_form(datasets, draft.id, groups[number][0], is_asked=False)


def _by_columns(files: Sequence[FileFormat]) -> list[list[FileFormat]]:
    """Those with the same columns together, each group where its first file stands."""
    groups: dict[frozenset[str], list[FileFormat]] = {}
    for file in files:
        groups.setdefault(frozenset(file.format.columns), []).append(file)
    return list(groups.values())


def _named(files: Sequence[FileFormat]) -> str:
    if len(files) == 1:
        return files[0].name
    return _("{file} and {n} more").format(file=files[0].name, n=numbers.count(len(files) - 1))
