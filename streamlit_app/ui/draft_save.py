"""Saving a draft as a dataset: its name, what is held out for checking, and what is mixed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import streamlit as st

from backend.datasets import Datasets
from backend.domain import Dataset
from backend.domain_datasets import SplitChoice
from backend.i18n import _, ngettext
from backend.studio.draft_lengths import LengthChoice
from streamlit_app.ui import numbers
from streamlit_app.ui.draft_state import DraftState, what_is_missing
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.safe_text import plain

SHARE, COUNT, OWN_FILE = "share", "count", "file"
DEFAULT_COUNT = 100


@dataclass(frozen=True)
class Wish:
    """What was asked for when the button was pressed."""

    name: str
    split: SplitChoice
    check_file: tuple[str, bytes] | None = None
    mix: Mapping[str, float] | None = None
    drop_leaks: bool = False
    lengths: LengthChoice | None = None

    def save(self, datasets: Datasets, draft_id: str) -> Dataset:
        return datasets.save_draft(
            draft_id,
            self.name,
            self.split,
            eval_source=self.check_file,
            mix=self.mix,
            drop_leaks=self.drop_leaks,
            lengths=self.lengths,
        )


def show_save(datasets: Datasets, state: DraftState, max_upload_mb: int) -> Wish | None:
    """The form, and a wish when the button has just been pressed."""
    if not state.draft.report.rows or state.needs_mapping:
        return None
    st.header(_("Save as a dataset"))
    name = st.text_input(_("Name"), state.draft.name[:60], max_chars=60, key="dataset_name") or state.draft.name[:60]
    split, check_file, drop_leaks = _held_out(state.good, max_upload_mb)
    mix = _mixed_in(datasets)
    missing = what_is_missing(state, has_company=check_file is not None or bool(mix))
    if not st.button(
        missing or _label(state, is_mixed=bool(mix)),
        key="save_dataset",
        type="primary",
        icon=":material/check:" if not missing else ":material/rule:",
        disabled=bool(missing),
        shortcut=primary_shortcut() if not missing else None,
    ):
        if not missing and state.is_live:
            st.caption(_("The checks are still going on. What they find later is told on the dataset's page too."))
        return None
    return Wish(name, split, check_file, mix, drop_leaks, state.lengths.choice)


def _label(state: DraftState, *, is_mixed: bool) -> str:
    if is_mixed:
        return _("Use these and what is mixed in")
    if state.skipped:
        return _("Use {n} good examples, skip {bad}").format(
            n=numbers.count(state.good), bad=numbers.count(state.skipped)
        )
    return ngettext("Use {n} example", "Use {n} examples", state.good).format(n=numbers.count(state.good))


def _held_out(good: int, max_upload_mb: int) -> tuple[SplitChoice, tuple[str, bytes] | None, bool]:
    """The split, an own check file, and whether what is in both is left out of the training."""
    labels = {SHARE: _("A share"), COUNT: _("A number"), OWN_FILE: _("A file of my own")}
    with st.expander(_("Examples kept aside for checking"), icon=":material/call_split:", key="draft_split"):
        st.caption(_("The model never trains on these, so they show what it really learned."))
        way = st.radio(_("Keep aside"), list(labels), format_func=labels.__getitem__, key="eval_way", horizontal=True)
        if way == OWN_FILE:
            file = st.file_uploader(_("Your own check file"), max_upload_size=max_upload_mb, key="eval_upload")
            drop = st.checkbox(
                _("Leave out of the training what is in the check file too"), value=True, key="eval_drop_leaks"
            )
            return SplitChoice(), (file.name, file.getvalue()) if file else None, drop
        choice = SplitChoice()
        if way == COUNT:
            most = max(1, good - 1)
            start = min(DEFAULT_COUNT, max(1, good // 5))
            choice = SplitChoice(
                eval_rows=int(st.number_input(_("Examples kept aside"), 1, most, start, key="eval_rows"))
            )
        else:
            share = st.slider(_("Share kept aside, in percent"), 5, 50, 20, 5, key="eval_share")
            choice = SplitChoice(eval_fraction=share / 100)
        seed = st.number_input(
            _("Seed of the split"),
            0,
            2**31 - 1,
            0,
            key="split_seed",
            help=_("The same seed gives the same split again."),
        )
        together = st.checkbox(
            _("Keep similar examples on one side"),
            value=True,
            key="eval_together",
            help=_("Else what is kept aside would hardly differ from what was trained on, and look too good."),
        )
    return replace(choice, seed=int(seed), keep_similar_together=together), None, False


def _mixed_in(datasets: Datasets) -> Mapping[str, float] | None:
    """Saved datasets whose examples join these, by how often each is used."""
    saved = {one.id: one for one in datasets.list()}
    if not saved:
        return None
    with st.expander(_("Mix with other datasets"), icon=":material/join:", key="draft_mix"):
        chosen = st.multiselect(
            _("Datasets to mix in"),
            list(saved),
            format_func=lambda one: saved[one].name,
            key="mix_with",
            placeholder=_("None"),
        )
        weights = {
            one: float(
                st.number_input(
                    _("How often: {name}").format(name=plain(saved[one].name)),
                    min_value=0.05,
                    max_value=20.0,
                    value=1.0,
                    step=0.25,
                    key=f"mix_weight_{one}",
                    help=_("1 uses every example once, 0.5 every second one, 2 each of them twice."),
                )
            )
            for one in chosen
        }
    return weights or None
