"""The versions of a dataset, newest first: what each changed, word by word, and the way back to it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Dataset, Message
from backend.domain_datasets import Change, Version
from backend.i18n import _, ngettext
from backend.studio.running_work import OnProgress
from streamlit_app.ui import dataset_changes, dataset_forgetting, errors, marked_text, numbers
from streamlit_app.ui.dataset_edit import ROLES
from streamlit_app.ui.marked_text import Mark, Piece
from streamlit_app.ui.safe_text import plain
from streamlit_app.ui.text_changes import compare

PAGE_VERSIONS = 20
SHOWN_CHANGES = 20


def show(datasets: Datasets, dataset: Dataset) -> None:
    versions = datasets.versions(dataset.id).list()
    st.caption(
        _("Every change makes a new version. Old ones stay as they are, and runs keep the one they learned from.")
    )
    dataset_forgetting.show(datasets, dataset, versions)
    page = int(st.session_state.get("versions_page", 1))
    shown = versions[(page - 1) * PAGE_VERSIONS : page * PAGE_VERSIONS]
    numbers_there = [version.number for version in versions]
    for version in shown:
        before = next((number for number in numbers_there if number < version.number), None)
        _show_version(datasets, dataset, version, before)
    if len(versions) > PAGE_VERSIONS:
        st.pagination(-(-len(versions) // PAGE_VERSIONS), key="versions_page")


def _show_version(datasets: Datasets, dataset: Dataset, version: Version, before: int | None) -> None:
    """`before` is the version before it that is there."""
    is_current = version.number == dataset.version
    with st.container(border=True, gap="small", key=f"version_{version.number}"):
        with st.container(
            horizontal=True, vertical_alignment="center", gap="small", key=f"version_head_{version.number}"
        ):
            title = f"**{_('Version {number}').format(number=version.number)}** · {plain(version.summary)}"
            st.markdown(title, width="stretch")
            if is_current:
                st.badge(_("Current"), icon=":material/check:", color="green")
            else:
                st.button(
                    _("Go back to this version"),
                    key=f"revert_{version.number}",
                    icon=":material/history:",
                    type="tertiary",
                    on_click=_revert,
                    args=(datasets, dataset, version.number),
                )
        rows = ngettext("{n} example", "{n} examples", version.train_rows + version.eval_rows)
        facts = [
            numbers.local_time(version.created_at),
            rows.format(n=numbers.count(version.train_rows + version.eval_rows)),
            changes_in_short(version),
            _("hash {hash}").format(hash=version.sha256[:8]),
        ]
        st.caption(plain(" · ".join(fact for fact in facts if fact)))
        if before is not None:
            opened = st.expander(_("What changed"), key=f"changes_{version.number}", type="compact", on_change="rerun")
            if opened.open:
                with opened, errors.shown():
                    show_difference(datasets, dataset, before, version.number, str(version.number))


def changes_in_short(version: Version) -> str:
    """Empty where nothing changed."""
    parts = [
        (_("{n} added"), version.added),
        (_("{n} removed"), version.removed),
        (_("{n} changed"), version.edited),
    ]
    return ", ".join(text.format(n=numbers.count(count)) for text, count in parts if count)


def show_difference(datasets: Datasets, dataset: Dataset, before: int, after: int, key: str) -> None:
    """The first changed examples, before and after side by side. Raises PhiDeskError."""
    changes = datasets.versions(dataset.id).diff(before, after, SHOWN_CHANGES + 1)
    if not changes:
        st.caption(_("The examples are the same."))
    for number, change in enumerate(changes[:SHOWN_CHANGES]):
        show_change(change, f"{key}_{number}")
    if len(changes) > SHOWN_CHANGES:
        st.caption(_("The first {n} changes are shown.").format(n=SHOWN_CHANGES))


def show_change(change: Change, key: str) -> None:
    part = _("To learn from") if change.part == "train" else _("To check with")
    if change.before is None or change.after is None:
        added = change.after is not None
        st.markdown(f"**{_('Added') if added else _('Removed')}** · {part}")
        messages = change.after if change.after is not None else change.before or ()
        pieces = _pieces(messages, [[Piece(one.content, Mark.ADDED if added else Mark.REMOVED)] for one in messages])
        marked_text.show(pieces, _("Added example") if added else _("Removed example"))
        return
    st.markdown(f"**{_('Edited')}** · {part}")
    left, right = _both_sides(change.before, change.after)
    before, after = st.columns(2, gap="small")
    with before:
        st.caption(_("Before"))
        marked_text.show(left, _("Before"))
    with after:
        st.caption(_("After"))
        marked_text.show(right, _("After"))


def _both_sides(before: Sequence[Message], after: Sequence[Message]) -> tuple[list[Piece], list[Piece]]:
    """Turns are compared by their place: the first with the first."""
    left: list[list[Piece]] = []
    right: list[list[Piece]] = []
    for number in range(max(len(before), len(after))):
        old = before[number].content if number < len(before) else None
        new = after[number].content if number < len(after) else None
        removed, added = compare(old or "", new or "")
        if old is not None:
            left.append(removed)
        if new is not None:
            right.append(added)
    return _pieces(before, left), _pieces(after, right)


def _pieces(messages: Sequence[Message], contents: Sequence[Sequence[Piece]]) -> list[Piece]:
    pieces: list[Piece] = []
    for message, content in zip(messages, contents, strict=True):
        if pieces:
            pieces.append(Piece("\n"))
        pieces += [Piece(ROLES[message.role], is_special=True), Piece(" "), *content]
    return pieces


def _revert(datasets: Datasets, dataset: Dataset, number: int) -> None:
    def revert(tell: OnProgress) -> Version:
        return datasets.versions(dataset.id).telling(tell).revert(number, based_on=dataset.version)

    dataset_changes.act(dataset, revert, _("Back to version {number}.").format(number=number))
