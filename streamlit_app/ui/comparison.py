"""The result of an evaluation: the scores in words, and the answers side by side."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from backend.evaluation import AnswerPair, EvaluationResult
from backend.i18n import _, ngettext
from streamlit_app.ui import numbers
from streamlit_app.ui.choice_labels import readable
from streamlit_app.ui.safe_text import formatted

PAGE_SIZE = 5

VERDICTS = {
    "better": (_("Less surprised"), ":material/trending_down:", "green"),
    "same": (_("As surprised"), ":material/equal:", "gray"),
    "worse": (_("More surprised"), ":material/trending_up:", "orange"),
}


def show_comparison(result: EvaluationResult) -> None:
    counts = {name: sum(pair.verdict == name for pair in result.answers) for name in VERDICTS}
    with st.grid(3, min_column_width=100, gap="small"):
        for name, (label, _icon, _colour) in VERDICTS.items():
            st.metric(label, numbers.count(counts[name]), border=True)
    st.caption(
        _("How surprised your model is by the right answer, against the base model. Less is better, yet no guarantee.")
    )
    st.header(_("Scores"))
    st.write(in_words(result))
    st.dataframe(
        pd.DataFrame(
            {
                _("Measure"): [_("Loss"), _("Perplexity"), _("Answered word for word")],
                _("Base"): [
                    numbers.decimals(result.base.loss),
                    numbers.decimals(result.base.perplexity, 1),
                    numbers.percent(result.base.exact_match),
                ],
                _("Tuned"): [
                    numbers.decimals(result.tuned.loss),
                    numbers.decimals(result.tuned.perplexity, 1),
                    numbers.percent(result.tuned.exact_match),
                ],
                _("What it means"): [
                    _("Surprise at the expected answers. Lower is better."),
                    _("Between how many choices it wavers. Lower is better."),
                    _("Exactly the expected text. Higher is better."),
                ],
            }
        ),
        hide_index=True,
        key="scores",
        alt=_("Scores of the base model and the tuned model"),
    )
    st.caption(
        _(
            "Measured on {n} examples kept aside. A small model learns mostly by heart: it repeats the answers it has "
            "seen, and a question put in other words can still go wrong. Ask it yourself in Chat."
        ).format(n=numbers.count(result.rows))
    )
    _show_answers(result)


def in_words(result: EvaluationResult) -> str:
    """The scores as one plain sentence."""
    before, after = result.base.perplexity, result.tuned.perplexity
    examples = ngettext("{n} example", "{n} examples", result.rows).format(n=numbers.count(result.rows))
    if after < before * 0.95:
        times = before / after
        factor = numbers.count(times) if times >= 10 else numbers.decimals(times, 1)
        return _(
            "On {examples} the tuned model wavers between {after} choices at each step, the base model between "
            "{before}: {factor} times more certain."
        ).format(examples=examples, after=numbers.decimals(after, 1), before=numbers.decimals(before, 1), factor=factor)
    if after > before * 1.05:
        return _(
            "On {examples} the tuned model does worse than its base: perplexity {before} before, {after} after. More "
            "examples, fewer epochs or a lower learning rate may help."
        ).format(examples=examples, before=numbers.decimals(before, 1), after=numbers.decimals(after, 1))
    return _("On {examples} training changed little: perplexity {before} before, {after} after.").format(
        examples=examples, before=numbers.decimals(before, 1), after=numbers.decimals(after, 1)
    )


def _show_answers(result: EvaluationResult) -> None:
    st.header(_("Answers side by side"))
    shown = st.segmented_control(
        _("Show"),
        ["all", *VERDICTS],
        format_func=lambda name: readable(_("All") if name == "all" else VERDICTS[name][0]),
        default="all",
        required=True,
        key="verdict_filter",
        label_visibility="collapsed",
    )
    pairs = [pair for pair in result.answers if shown in {"all", None, pair.verdict}]
    if not pairs:
        st.caption(_("None of this kind."))
        return
    pages = -(-len(pairs) // PAGE_SIZE)
    page = min(int(st.session_state.get("answer_page", 1)), pages)
    for number, pair in enumerate(pairs[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]):
        _show_pair(number, pair)
    if pages > 1:
        st.pagination(pages, key="answer_page")


def _show_pair(number: int, pair: AnswerPair) -> None:
    label, icon, colour = VERDICTS.get(pair.verdict, VERDICTS["same"])
    with st.container(border=True, key=f"pair_{number}"):
        with st.container(horizontal=True, vertical_alignment="center", key=f"pair_head_{number}"):
            st.text(pair.question, width="stretch")
            st.badge(label, icon=icon, color=colour)  # type: ignore[arg-type]
        base, tuned = st.columns(2)
        with base:
            st.caption(_("Base model"))
            st.markdown(formatted(pair.base) or _("*(no answer)*"))
        with tuned:
            st.caption(_("Your model"))
            st.markdown(formatted(pair.tuned) or _("*(no answer)*"))
        st.caption(_("Expected"))
        st.text(pair.expected)
