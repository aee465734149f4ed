"""What the checks found: one card per finding, the worst first, with what it does to the training and what to do.

The words of a finding are the backend's, but may name columns and values of a file: all of it is shown as plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from backend.domain_datasets import Decision, Finding, FoundRow, Severity
from backend.i18n import _, ngettext
from streamlit_app.ui import errors, numbers
from streamlit_app.ui.safe_text import plain
from streamlit_app.ui.states import Look

Decide = Callable[[Mapping[str, Decision | None]], object]
"""Called from a button's callback with what was chosen for each code; None takes the choice back."""
LookAt = Callable[[Finding], None]
"""Draws all examples of a finding."""

SHOWN_ROWS = 200
EXCERPT = 120
LINE_HEIGHT = 20
WRAPPING_HEIGHT = 66
"""The grid wraps texts in rows higher than 4 rem only."""
LETTERS_A_LINE = 26
"""Of a wrapped cell at the width that the table gives to its two texts."""
MAX_LINES = 6

SEVERITY_LOOKS: dict[Severity, Look] = {
    Severity.REFUSED: Look(_("Must be decided"), ":material/block:", "red"),
    Severity.WARNING: Look(_("Worth a look"), ":material/warning:", "orange"),
    Severity.HINT: Look(_("Good to know"), ":material/info:", "blue"),
}
DECISION_LOOKS: dict[Decision, Look] = {
    Decision.FIX: Look(_("Will be fixed"), ":material/build:", "green"),
    Decision.SKIP: Look(_("Will be skipped"), ":material/remove_circle:", "gray"),
    Decision.KEEP: Look(_("Left as is"), ":material/check:", "gray"),
}
FRUITLESS_LOOK = Look(_("Nothing was fixed"), ":material/build:", "orange")
_ORDER = list(Severity)


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """What must be decided first, then what is undecided, then by how many examples it touches."""
    return sorted(findings, key=lambda one: (_ORDER.index(one.severity), one.decision is not None, -one.count))


def undecided(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that stand in the way of saving: refused, and something can be done about them."""
    return [one for one in findings if one.severity is Severity.REFUSED and not one.decision and (one.fix or one.skip)]


def show_findings(
    findings: Sequence[Finding], decide: Decide, *, key: str, has_files: bool = False, look: LookAt | None = None
) -> None:
    """`key` begins the keys of the widgets: `{key}_fix_{code}`, `{key}_skip_`, `{key}_keep_`, `{key}_undo_`.

    With `has_files` each row names its file, also where a finding is about one file alone. `look` draws the examples
    of a finding, where they can be looked at.
    """
    ordered = in_order(findings)
    _show_at_once(ordered, decide, key)
    for finding in ordered:
        _show_card(finding, decide, key, has_files, look)


def _show_at_once(findings: Sequence[Finding], decide: Decide, key: str) -> None:
    """Several decisions in one click, each named before."""
    fixable = [one for one in findings if one.fix and one.decision is None and one.severity is not Severity.HINT]
    skippable = [one for one in undecided(findings) if one.skip]
    if len(fixable) < 2 and not skippable:
        return
    with st.container(horizontal=True, gap="small", key=f"{key}_at_once"):
        if len(fixable) > 1:
            label = _("Fix all {n} that can be fixed").format(n=len(fixable))
            with st.popover(label, icon=":material/build:", key=f"{key}_fix_all_list"):
                st.markdown("\n".join(f"- **{plain(one.title)}**: {plain(one.fix)}" for one in fixable))
                _decide_button(
                    _("Fix all of these"), f"{key}_fix_all", ":material/build:", decide, fixable, Decision.FIX
                )
        if skippable:
            count = sum(one.count for one in skippable)
            label = ngettext("Skip the {n} that can't be used", "Skip all {n} that can't be used", count)
            label = label.format(n=numbers.count(count))
            _decide_button(label, f"{key}_skip_all", ":material/remove_circle:", decide, skippable, Decision.SKIP)


def _decide_button(
    label: str,
    key: str,
    icon: str,
    decide: Decide,
    findings: Sequence[Finding],
    decision: Decision | None,
    *,
    tip: str = "",
) -> None:
    choices = {one.code: decision for one in findings}
    st.button(label, key=key, icon=icon, help=plain(tip) or None, on_click=errors.act, args=(decide, choices))


def _show_card(finding: Finding, decide: Decide, key: str, has_files: bool, look_at: LookAt | None) -> None:
    code = finding.code
    with st.container(border=True, gap="small", key=f"{key}_card_{code}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"{key}_head_{code}"):
            look = _look(finding)
            st.badge(look.label, icon=look.icon, color=look.colour)
            st.markdown(" · ".join(filter(None, [f"**{plain(finding.title)}**", _places(finding)])))
        if finding.effect:
            st.markdown(plain(finding.effect))
        if finding.decision is None:
            _show_choices(finding, decide, key)
        else:
            _decide_button(_("Undo"), f"{key}_undo_{code}", ":material/undo:", decide, [finding], None)
        if finding.rows:
            _show_rows(finding, key, has_files)
        if look_at is not None and any(row.number >= 0 for row in finding.rows):
            corner = st.expander(_("Read these"), key=f"{key}_look_{code}", type="compact", on_change="rerun")
            if corner.open:
                with corner:
                    look_at(finding)


def _look(finding: Finding) -> Look:
    if finding.decision is None:
        return SEVERITY_LOOKS[finding.severity]
    return DECISION_LOOKS[finding.decision] if finding.count else FRUITLESS_LOOK


def _places(finding: Finding) -> str:
    """How many examples; nothing of what concerns a set as a whole, or when the title says it."""
    if not finding.rows or re.search(rf"\b{finding.count}\b", finding.title.replace(",", "")):
        return ""
    if len(finding.rows) == 1 and finding.rows[0].line == 0 and finding.count == 1:
        return _("a whole file")
    return ngettext("{n} example", "{n} examples", finding.count).format(n=numbers.count(finding.count))


def _show_choices(finding: Finding, decide: Decide, key: str) -> None:
    told = [f"**{_('Fix')}**: {plain(finding.fix)}" if finding.fix else "", plain(finding.advice)]
    if any(told):
        st.caption("  \n".join(filter(None, told)))
    choices = (
        ("fix", _("Fix"), ":material/build:", Decision.FIX, finding.fix),
        ("skip", _("Skip these"), ":material/remove_circle:", Decision.SKIP, finding.skip),
        ("keep", _("Leave as is"), ":material/check:", Decision.KEEP, _stay(finding)),
    )
    with st.container(horizontal=True, gap="small", key=f"{key}_choices_{finding.code}"):
        for verb, label, icon, decision, tip in choices:
            if tip:
                _decide_button(label, f"{key}_{verb}_{finding.code}", icon, decide, [finding], decision, tip=tip)


def _stay(finding: Finding) -> str:
    if finding.severity is Severity.REFUSED or not (finding.fix or finding.skip):
        return ""
    return _("Keeps these examples as they are.")


def _show_rows(finding: Finding, key: str, has_files: bool) -> None:
    """Closed until it is asked for; a dataframe, because its cells never read Markdown."""
    label = _("Where: the first {n} of {all}") if finding.count > len(finding.rows) else _("Where")
    with st.expander(
        label.format(n=numbers.count(len(finding.rows)), all=numbers.count(finding.count)),
        key=f"{key}_where_{finding.code}",
        type="compact",
    ):
        page_key = f"{key}_where_page_{finding.code}"
        pages = -(-len(finding.rows) // SHOWN_ROWS)
        page = min(int(st.session_state.get(page_key) or 1), pages)
        shown = finding.rows[(page - 1) * SHOWN_ROWS : page * SHOWN_ROWS]
        columns: dict[str, list[str]] = {}
        if has_files or len({(row.part, row.file) for row in shown}) > 1:
            columns[_("File")] = [row.file or _part(row.part) for row in shown]
        columns[_("Line")] = [str(row.line) if row.line else _("file") for row in shown]
        if len({row.detail for row in shown} - {finding.title, ""}):
            columns[_("What")] = [row.detail for row in shown]
        if any(row.excerpt for row in shown):
            columns[_("Excerpt")] = [_cut(row.excerpt) for row in shown]
        st.dataframe(
            pd.DataFrame(columns),
            hide_index=True,
            key=f"{key}_rows_{finding.code}",
            row_height=_row_height(shown),
            column_config={
                _("File"): st.column_config.TextColumn(width=70),
                _("Line"): st.column_config.TextColumn(width=50),
                _("What"): st.column_config.TextColumn(width=130),
                _("Excerpt"): st.column_config.TextColumn(width=130),
            },
            alt=_("Where it was found: {title}").format(title=finding.title),
        )
        if pages > 1:
            if page < int(st.session_state.get(page_key) or 1):
                st.session_state[page_key] = page
            st.pagination(pages, key=page_key)


def _part(part: str) -> str:
    return {"train": _("To learn from"), "eval": _("To check with")}.get(part, "")


def _cut(text: str) -> str:
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"


def _row_height(rows: Sequence[FoundRow]) -> int | None:
    """High enough for the longest of them to be read whole; one line where that is enough."""
    longest = max(max(len(row.detail), min(len(row.excerpt), EXCERPT)) for row in rows)
    lines = min(MAX_LINES, -(-longest // LETTERS_A_LINE))
    return max(WRAPPING_HEIGHT, LINE_HEIGHT * lines + 16) if lines > 1 else None
