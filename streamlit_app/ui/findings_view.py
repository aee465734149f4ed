"""What the checks found: one card per finding, the worst first, with what it does to the training and what to do.

The words of a finding are the backend's, but may name columns and values of a file: all of it is shown as plain text.
"""

from __future__ import annotations

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

SHOWN_ROWS = 200
EXCERPT = 400
LINE_HEIGHT = 22
LETTERS_A_LINE = 34
"""Of a wrapped cell at the width that the table gives to its two texts."""
MAX_LINES = 5

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
_ORDER = list(Severity)


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """What must be decided first, then what is undecided, then by how many examples it touches."""
    return sorted(findings, key=lambda one: (_ORDER.index(one.severity), one.decision is not None, -one.count))


def undecided(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that stand in the way of saving."""
    return [one for one in findings if one.severity is Severity.REFUSED and one.decision is None]


def show_findings(findings: Sequence[Finding], decide: Decide, *, key: str) -> None:
    """`key` begins the keys of the widgets: `{key}_fix_{code}`, `{key}_skip_`, `{key}_keep_`, `{key}_undo_`."""
    ordered = in_order(findings)
    _show_fix_all(ordered, decide, key)
    for finding in ordered:
        _show_card(finding, decide, key)


def _show_fix_all(findings: Sequence[Finding], decide: Decide, key: str) -> None:
    fixable = [one for one in findings if one.fix and one.decision is None and one.severity is not Severity.HINT]
    if len(fixable) < 2:
        return
    with st.expander(
        ngettext("Fix all {n} that can be fixed", "Fix all {n} that can be fixed", len(fixable)).format(n=len(fixable)),
        icon=":material/build:",
        key=f"{key}_fix_all_list",
    ):
        st.markdown("\n".join(f"- **{plain(one.title)}**: {plain(one.fix)}" for one in fixable))
        st.button(
            _("Fix these"),
            key=f"{key}_fix_all",
            icon=":material/build:",
            on_click=errors.act,
            args=(decide, {one.code: Decision.FIX for one in fixable}),
            help=_("Each can be undone by itself."),
        )


def _show_card(finding: Finding, decide: Decide, key: str) -> None:
    code = finding.code
    with st.container(border=True, gap="small", key=f"{key}_card_{code}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"{key}_head_{code}"):
            look = SEVERITY_LOOKS[finding.severity]
            st.badge(look.label, icon=look.icon, color=look.colour)
            if finding.decision is not None:
                chosen = DECISION_LOOKS[finding.decision]
                st.badge(chosen.label, icon=chosen.icon, color=chosen.colour)
            st.markdown(f"**{plain(finding.title)}** · {_places(finding)}")
        if finding.effect:
            st.markdown(plain(finding.effect))
        if finding.decision is None:
            _show_choices(finding, decide, key)
        else:
            _choice_button(_("Undo"), "undo", ":material/undo:", None, finding, decide, key)
        if finding.rows:
            _show_rows(finding, key)


def _places(finding: Finding) -> str:
    if len(finding.rows) == 1 and finding.rows[0].line == 0 and finding.count == 1:
        return _("a whole file")
    return ngettext("{n} example", "{n} examples", finding.count).format(n=numbers.count(finding.count))


def _show_choices(finding: Finding, decide: Decide, key: str) -> None:
    told = [
        f"**{_('Fix')}**: {plain(finding.fix)}" if finding.fix else "",
        f"**{_('Skip these')}**: {plain(finding.skip)}" if finding.skip else "",
        plain(finding.advice),
    ]
    st.caption("  \n".join(filter(None, told)))
    with st.container(horizontal=True, gap="small", key=f"{key}_choices_{finding.code}"):
        if finding.fix:
            _choice_button(_("Fix"), "fix", ":material/build:", Decision.FIX, finding, decide, key)
        if finding.skip:
            _choice_button(_("Skip these"), "skip", ":material/remove_circle:", Decision.SKIP, finding, decide, key)
        if finding.severity is not Severity.REFUSED and (finding.fix or finding.skip):
            _choice_button(_("Leave as is"), "keep", ":material/check:", Decision.KEEP, finding, decide, key)


def _choice_button(
    label: str, verb: str, icon: str, decision: Decision | None, finding: Finding, decide: Decide, key: str
) -> None:
    st.button(
        label,
        key=f"{key}_{verb}_{finding.code}",
        icon=icon,
        on_click=errors.act,
        args=(decide, {finding.code: decision}),
    )


def _show_rows(finding: Finding, key: str) -> None:
    """Closed until it is asked for; a dataframe, because its cells never read Markdown."""
    shown = finding.rows[:SHOWN_ROWS]
    label = _("Where: the first {n} of {all}") if finding.count > len(shown) else _("Where")
    with st.expander(
        label.format(n=numbers.count(len(shown)), all=numbers.count(finding.count)), key=f"{key}_where_{finding.code}"
    ):
        columns: dict[str, list[str]] = {}
        if len({(row.part, row.file) for row in shown}) > 1:
            columns[_("File")] = [row.file or _part(row.part) for row in shown]
        columns[_("Line")] = [str(row.line) if row.line else _("file") for row in shown]
        if len({row.detail for row in shown} - {finding.title, ""}):
            columns[_("What")] = [row.detail for row in shown]
        if any(row.excerpt for row in shown):
            columns[_("Excerpt")] = [row.excerpt[:EXCERPT] for row in shown]
        st.dataframe(
            pd.DataFrame(columns),
            hide_index=True,
            key=f"{key}_rows_{finding.code}",
            row_height=LINE_HEIGHT * _lines(shown) + 14,  # a taller row lets the grid wrap its texts
            column_config={
                _("File"): st.column_config.TextColumn(width=110),
                _("Line"): st.column_config.TextColumn(width=60),
                _("What"): st.column_config.TextColumn(width=250),
                _("Excerpt"): st.column_config.TextColumn(width=250),
            },
            alt=_("Where it was found: {title}").format(title=finding.title),
        )


def _part(part: str) -> str:
    return {"train": _("To learn from"), "eval": _("To check with")}.get(part, "")


def _lines(rows: Sequence[FoundRow]) -> int:
    longest = max(max(len(row.detail), min(len(row.excerpt), EXCERPT)) for row in rows)
    return min(MAX_LINES, max(1, -(-longest // LETTERS_A_LINE)))
