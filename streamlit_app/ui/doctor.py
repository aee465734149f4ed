"""Every precondition of the target: met or not, why, and what mends it: a button, a sentence for an admin, a link."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.domain_setup import Check
from backend.i18n import _, ngettext
from backend.target import Setup, Target
from streamlit_app import session
from streamlit_app.ui import errors, links
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.safe_text import plain

MOST_AT_A_GLANCE = 6
"""Checks that are fine and still shown one by one; more of them are one line that opens."""


def show(target: Target) -> bool:
    """Whether the page's one thing to do is to mend what is missing."""
    with st.container(border=True, key="checks"):
        st.header(_(":material/health_and_safety: Checks"))
        with st.spinner(_("Looking at {target}…").format(target=plain(target.title)), show_time=True):
            checks = session.checks()
        fine = [check for check in checks if check.is_ok]
        if len(fine) > MOST_AT_A_GLANCE:
            _show_apart(target, checks, fine)
        else:
            for check in checks:
                _show_check(checks.index(check), check)
        with st.container(horizontal=True, key="check_buttons"):
            can_fix = any(target.setup and check.fix and check.changes for check in missing(checks))
            if (
                target.setup
                and can_fix
                and st.button(
                    _("Fix all…"), key="fix_all", icon=":material/build:", type="primary", shortcut=primary_shortcut()
                )
            ):
                _ask_to_fix_all(target.setup, checks)
            st.button(_("Check again"), key="check_again", icon=":material/refresh:", on_click=session.forget)
    return can_fix


def _show_apart(target: Target, checks: Sequence[Check], fine: Sequence[Check]) -> None:
    """First what a person must do something about, then what is only worth knowing; the rest in one line."""
    red = missing(checks)
    if red:
        words = ngettext(
            "{n} thing is missing before everything works.", "{n} things are missing before everything works.", len(red)
        )
        st.markdown(words.format(n=len(red)))
    else:
        st.success(
            _("{target} is ready for training and answers.").format(target=plain(target.title)),
            icon=":material/check_circle:",
        )
    for check in [*red, *(check for check in checks if check.is_warning and not check.is_ok)]:
        _show_check(checks.index(check), check)
    label = ngettext("{n} check is fine", "{n} checks are fine", len(fine)).format(n=len(fine))
    with st.expander(label, icon=":material/check_circle:", key="checks_fine"):
        for check in fine:
            _show_check(checks.index(check), check)


def missing(checks: Sequence[Check]) -> list[Check]:
    """What is red. A warning has its own button."""
    return [check for check in checks if not check.is_ok and not check.is_warning]


def _show_check(number: int, check: Check) -> None:
    icon = (
        ":green[:material/check_circle:]"
        if check.is_ok
        else (":orange[:material/warning:]" if check.is_warning else ":red[:material/cancel:]")
    )
    lines = [f"{icon} **{plain(check.name)}** · {plain(check.what)}"]
    if not check.is_ok:
        lines += [plain(part) for part in (check.why, check.how_to_fix) if part]
    name = check.id or str(number)
    with st.container(horizontal=True, vertical_alignment="center", key=f"check_{name}"):
        st.markdown("  \n".join(lines), width="stretch")
        if check.is_ok:
            return
        if check.link:
            links.outside(_("Open the page"), check.link, key=f"check_link_{name}")
        if check.fix:
            st.button(
                _("Fix it"),
                key=f"fix_{name}",
                icon=":material/build:",
                on_click=_fix,
                args=(check,),
                help="  \n".join(plain(change) for change in check.changes) or None,
            )
    if check.ask_admin:
        with st.expander(_("What to send to an administrator"), key=f"ask_{name}"):
            st.code(check.ask_admin, language=None, wrap_lines=True)


def _fix(check: Check) -> None:
    if check.fix:
        errors.act(check.fix)
    session.forget()


def _ask_to_fix_all(setup: Setup, checks: Sequence[Check]) -> None:
    @st.dialog(_("Fix all"), icon=":material/build:")
    def dialog() -> None:
        if st.session_state.pop(session.CONFIRMED, False):
            st.rerun()
        errors.show_pending()
        changes = [change for check in missing(checks) for change in check.changes]
        st.markdown(_("This is created or changed, and nothing else:"))
        st.markdown("\n".join(f"- {plain(change)}" for change in changes))
        left = [check for check in missing(checks) if not check.changes]
        if left:
            st.markdown(_("This is left for you or an administrator:"))
            st.markdown("\n".join(f"- {plain(check.name)}: {plain(check.what)}" for check in left))
        with st.container(horizontal=True, key="fix_all_buttons"):
            st.button(_("Change nothing"), key="fix_all_no", on_click=_close)
            st.button(_("Fix all"), key="fix_all_yes", type="primary", on_click=_fix_all, args=(setup,))

    dialog()


def _close() -> None:
    st.session_state[session.CONFIRMED] = True


def _fix_all(setup: Setup) -> None:
    if errors.act(setup.fix_all) is not None:
        _close()
    session.forget()
