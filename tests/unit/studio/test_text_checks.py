"""Checks of texts, and what their fixes leave."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.domain import Message
from backend.domain_datasets import Decision
from backend.studio import finding_codes as codes
from backend.studio.content_fixes import apply
from backend.studio.row_index import messages_of
from backend.studio.text_checks import FIXABLE, find_in, put_right
from tests.unit.conversations import SHARED_DATA, needs_shared_data


def conversation(answer: str, question: str = "What is it?") -> tuple[Message, ...]:
    return Message("user", question), Message("assistant", answer)


def found(answer: str, question: str = "What is it?") -> set[str]:
    return {hit.code for hit in find_in(conversation(answer, question))}


@pytest.mark.parametrize(
    ("code", "answer", "fixed"),
    [
        (codes.TEMPLATE_TOKENS, "It is red.<|end|>", "It is red."),
        (codes.TEMPLATE_TOKENS, "<s>[INST] Hello [/INST] It is red.</s>", "Hello It is red."),
        (codes.TEMPLATE_TOKENS, "<|im_start|>assistant", "assistant"),
        (codes.TEMPLATE_TOKENS, "<start_of_turn>model", "model"),
        (codes.TEMPLATE_TOKENS, "### Instruction: Say it.\n### Response:\nIt.", "Say it.\n\nIt."),
        (codes.WRONG_DECODING, "SchÃ¶ne GrÃ¼ÃŸe", "Schöne Grüße"),
        (codes.WRONG_DECODING, "It â€™ s", "It ’ s"),
        (codes.HTML, "<p>It is <b>red</b>&nbsp;&amp; blue.</p>", "It is red & blue."),
        (codes.HTML, "One<br>two<br/>three", "One\ntwo\nthree"),
        (codes.HTML, "It is red. <img src=x onerror=alert(1)>", "It is red."),
        (codes.HTML, "Red.<script>alert(document.cookie)</script> Blue.", "Red. Blue."),
        (codes.HTML, "Red. <script src='https://evil.example/x.js'>", "Red."),
        (codes.HTML, 'Look <a href="javascript:alert(1)">here</a>.', "Look here."),
        (codes.HTML, "Red.<!-- menu --><style>p { color: red }</style>", "Red."),
        (codes.HTML, "<!DOCTYPE html><html><body><h1>Red</h1>It is.</body></html>", "Red\nIt is."),
        (codes.HTML, '<iframe src="https://evil.example"></iframe>Red, `a <b>x</b>`.', "Red, `a <b>x</b>`."),
        (codes.MAIL, "Ask anna@firma.de.", "Ask [email]."),
    ],
)
def test_what_is_found_is_put_right(code: str, answer: str, fixed: str) -> None:
    assert code in found(answer)
    after = apply(conversation(answer), codes.BITS[code], {code: Decision.FIX})
    assert after == conversation(fixed)
    assert code not in found(fixed)


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (codes.LOST_CHARACTERS, "Gr\ufffd\ufffde"),
        (codes.REPEATS_QUESTION, "what  is the capital of France? It is Paris."),
        (codes.REFUSAL, "I'm sorry, but I can't help with that."),
        (codes.REFUSAL, "As an AI language model, I do not have feelings."),
    ],
)
def test_what_can_only_be_left_out_is_left_out(code: str, answer: str) -> None:
    question = "What is the capital of France?"
    assert found(answer, question) == {code}
    for decision in (Decision.SKIP, Decision.FIX):
        assert apply(conversation(answer, question), codes.BITS[code], {code: decision}) is None
    assert apply(conversation(answer), codes.BITS[code], {code: Decision.KEEP}) == conversation(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "x < y and y > z, a <- b, List<String>, if (a<b) { c>d }",
        "## Instructions\n\n1. Open it\n\n### Results",
        "Use `<div>` and `<p>` in HTML.",
        "```html\n<p>a</p><p>b</p>\n```",
        "Run `<script>alert(1)</script>` and see.",
        "A closing tag such as </p> ends what <p> begins; <img onerror=...> runs a script in old browsers.",
        "<form> is how a web page asks: <form action='/ask'><input name='q'></form>",
        "cp <a> <b> copies; run(<a statement>, <a statement>); Map<String, List<i>> x = <b>;",
        "I <3 you & me; 1 < 2 and 3 > 2; if (a<b && b>c)",
        "Ärger über Öl – “ça va”, señor; Ångström; naïve; € 5; Ð and ð are letters",
        "What a question! Unfortunately, the alarm was not set. Sorry, I was unable to book the room.",
        "R&D costs rose; AT&T too",
        "[1] and [INSTALL] and <sup>",
    ],
)
def test_ordinary_text_raises_no_alarm(answer: str) -> None:
    assert found(answer) == set()


def test_markup_is_no_finding_where_the_question_asks_for_it() -> None:
    page = "<html><body><h1>Books</h1><script src='shelf.js'></script></body></html>"
    assert codes.HTML not in found(page, "Write a web page for my book shop.")
    assert codes.HTML in found(page, "What do you sell?")


@pytest.mark.parametrize("piece", ["<script", "<p ", "<!--", "`", "<a x", "&lt;script ", "<img src=x onerror", "```"])
def test_hostile_markup_takes_no_longer_than_its_size(piece: str) -> None:
    text = piece * (400_000 // len(piece)) + "<script>alert(1)</script>"
    started = time.monotonic()
    find_in(conversation(text))
    put_right(text, frozenset({codes.HTML}))
    assert time.monotonic() - started < 10


def test_a_fix_that_leaves_a_turn_empty_leaves_the_row_out() -> None:
    flags = codes.BITS[codes.TEMPLATE_TOKENS]
    assert apply(conversation("<|end|>"), flags, {codes.TEMPLATE_TOKENS: Decision.FIX}) is None
    with_system = (Message("system", "<|system|>"), *conversation("Red.<|end|>"))
    assert apply(with_system, flags, {codes.TEMPLATE_TOKENS: Decision.FIX}) == conversation("Red.")


def test_only_rows_that_are_flagged_are_touched() -> None:
    rows = conversation("Red.<|end|>")
    assert apply(rows, 0, {codes.TEMPLATE_TOKENS: Decision.FIX}) == rows
    assert apply(rows, codes.BITS[codes.MAIL], {codes.TEMPLATE_TOKENS: Decision.FIX}) == rows


@given(st.text(max_size=200))
@settings(deadline=None)
def test_no_text_stops_the_checks_and_a_second_fix_changes_nothing_found(text: str) -> None:
    hits = find_in(conversation(text, text))
    assert {hit.code for hit in hits} <= codes.BITS.keys()
    once = put_right(text, FIXABLE)
    assert isinstance(once, str)
    if not found(text):
        assert once == text


def test_secrets_are_hidden_wherever_they_are_shown() -> None:
    hits = list(find_in(conversation("Ask anna.schmidt@firma.de or bernd.maier@firma.de, +49 711 1234567.")))
    shown = " ".join(hit.excerpt + hit.what for hit in hits)
    assert {hit.code for hit in hits} == {codes.MAIL, codes.PHONE}
    assert "schmidt" not in shown and "maier" not in shown and "1234567" not in shown


@needs_shared_data
def test_real_summaries_of_chats_raise_no_alarm() -> None:
    lines = (SHARED_DATA / "samsum_chat_train.jsonl").read_bytes().splitlines()
    assert [hit for line in lines for hit in find_in(messages_of(line))] == []
