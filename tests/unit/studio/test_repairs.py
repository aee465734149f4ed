"""What Fix does: every flaw that can be mended honestly is, and what comes out is checked by the same rules."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain_datasets import FormatKind, RecordFormat
from backend.studio.conversion import convert
from backend.studio.damaged_records import show_letters
from backend.studio.endings import strip_answer
from backend.studio.formats import recognise
from backend.studio.json_lines import Block, records_of
from backend.studio.records import Broken, Record
from backend.studio.repairs import REPAIRS, records_to_look_at, repair
from backend.studio.row_batch import Batch, RowConverter, Tally
from backend.studio.row_index import line_of
from backend.studio.rules import Flaw

MESSAGES = RecordFormat(FormatKind.MESSAGES, {"messages": "messages"}, ("messages",))
TABLE = RecordFormat(FormatKind.QUESTION_ANSWER, {"question": "q", "answer": "a"}, ("q", "a"))


def turn(role: object, content: object, **more: object) -> dict[str, object]:
    return {"role": role, "content": content, **more}


def record(*turns: object) -> dict[str, object]:
    return {"messages": list(turns)}


U, A, S = turn("user", "Q"), turn("assistant", "A"), turn("system", "S")
QA = [("user", "Q"), ("assistant", "A")]
CALL = {"type": "function", "function": {"name": "weather", "arguments": '{"city": "Köln"}'}}
CALLED = '{"name": "weather", "arguments": {"city": "Köln"}}'
TOOL_RESULTS = [turn("tool", "9°"), turn("tool", "8°")]
IMAGE = {"type": "image_url", "image_url": {"url": "x"}}


@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        (record(U, turn("assistant", " "), U, A), "content_empty", QA),
        (record(U, A, turn("user", ""), turn("assistant", "lost")), "content_empty", QA),
        (record(U, A, U, turn("assistant", "")), "content_empty", QA),
        (record(turn("user", ""), U, A), "content_empty", QA),
        (record(U, U, A, A), "wrong_order", [("user", "Q\n\nQ"), ("assistant", "A\n\nA")]),
        (record(A, U, A), "wrong_order", QA),
        (record(S, A, U, A), "wrong_order", [("system", "S"), *QA]),
        (record(U, S, A), "system_not_first", [("system", "S"), *QA]),
        (record(S, U, A, turn("system", "T"), U, A), "system_not_first", [("system", "S\n\nT"), *QA, *QA]),
        (record(U, A, U), "last_turn_not_assistant", QA),
        (record(turn("usr_", "Q"), A), "unknown_role", QA),
        (record(U, turn("assitant", "A")), "unknown_role", QA),
        (record(U, turn("assistant", 7)), "content_not_text", [("user", "Q"), ("assistant", "7")]),
        (record(U, turn("assistant", True)), "content_not_text", [("user", "Q"), ("assistant", "true")]),
        (record(U, turn("assistant", None), U, A), "content_not_text", QA),
        (record(turn("user", [{"type": "text", "text": "Q"}, IMAGE]), A), "part_not_text", QA),
        (record(turn("user", [IMAGE]), A, U, A), "part_not_text", QA),
        (record(U, turn("assistant", None, tool_calls=[CALL]), turn("tool", "9°"), A), "tool_turns",
         [("user", "Q"), ("assistant", CALLED), ("user", "9°"), ("assistant", "A")]),
        (record(U, turn("assistant", "Let me look.", tool_calls=[CALL, CALL]), *TOOL_RESULTS, A), "tool_turns",
         [("user", "Q"), ("assistant", f"Let me look.\n{CALLED}\n{CALLED}"), ("user", "9°\n\n8°"), ("assistant", "A")]),
        (record(U, turn("function_call", CALLED), turn("observation", "9°"), A), "tool_turns",
         [("user", "Q"), ("assistant", CALLED), ("user", "9°"), ("assistant", "A")]),
        (record("Q", "A"), "message_not_an_object", QA),
        (record(["Q", "A"], ["Q", "A"]), "message_not_an_object", QA + QA),
        (record(U, turn("assistant", "A\x00\ud800")), "nul_character", QA),
        (record(U, turn("assistant", "\ud83d\ude00")), "nul_character", [("user", "Q"), ("assistant", "😀")]),
        ([U, A], "not_an_object", QA),
        ({"instruction": "Q", "output": "A"}, "no_messages", QA),
        # one after the other: the image goes, the empty question with it, what is left is joined
        (record(turn("user", "Q"), turn("user", [IMAGE]), A), "part_not_text", QA),
    ],
)  # fmt: skip
def test_a_flaw_is_mended(value: object, code: str, expected: list[tuple[str, str]]) -> None:
    flaw = convert(value, MESSAGES).flaw
    assert flaw is not None and flaw.code == code
    mended = repair(code, value, MESSAGES)
    assert mended.messages is not None, mended.flaw
    assert [(message.role, message.content) for message in mended.messages] == expected
    assert code in REPAIRS


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (record(), "messages_empty"),
        (record(U), "no_assistant"),
        (record(U, turn("assistant", "")), "content_empty"),
        (record(turn("wizard", "Q"), A), "unknown_role"),
        (record("Q", "A", "more"), "message_not_an_object"),
        (record({"content": "Q"}, A), "role_missing"),
        (record(turn("user", {"a": 1}), A), "content_not_text"),
        ({"messages": 5}, "messages_not_a_list"),
        ({"other": 5}, "no_messages"),
        (7, "not_an_object"),
        (record(A), "wrong_order"),
    ],
)
def test_what_can_not_be_mended_honestly_stays_a_flaw(value: object, code: str) -> None:
    flaw = convert(value, MESSAGES).flaw
    assert flaw is not None and flaw.code == code
    mended = repair(code, value, MESSAGES)
    assert mended.messages is None and mended.flaw is not None
    assert mended.flaw == Flaw("not_mended", flaw.message, flaw.fix)


def test_only_allowed_flaws_are_mended_on_the_way() -> None:
    value = record(U, A, turn("user", 5))
    assert repair("content_not_text", value, MESSAGES).messages is not None
    kept = repair("content_not_text", value, MESSAGES, allowed={"content_not_text"})
    assert kept.flaw is not None and kept.flaw.code == "last_turn_not_assistant"


def test_an_answer_of_nothing_but_marks_is_stripped_in_a_moment() -> None:
    started = time.process_time()
    assert strip_answer("Yes. " + "</s> <|end|>" * 50_000 + "\n", TABLE)[0] == "Yes."
    assert strip_answer("Yes.  \n", TABLE)[0] == "Yes.  \n"
    assert time.process_time() - started < 2


def test_columns_of_a_table_are_mended_too() -> None:
    assert repair("content_not_text", {"q": "How many?", "a": 7}, TABLE).messages is not None
    assert repair("column_missing", {"question": "Q", "answer": "A"}, TABLE).messages is not None
    assert repair("column_missing", {"q": "Q", "a": None}, TABLE).flaw is not None
    assert repair("content_empty", {"q": "Q", "a": ""}, TABLE).flaw is not None


GOOD = json.dumps(record(U, A))


@pytest.mark.parametrize(
    "raw",
    [
        repr(record(U, A)),
        repr(record(U, A)).replace("}]}", "}], 'ok': true, 'none': null}"),
        GOOD[:-1],
        GOOD + ",",
        GOOD.replace("}]", "},]"),
        GOOD.replace('"A"}', '"A",}'),
        GOOD.replace("]}", '], "score": NaN}'),
        "\ufeff" + GOOD,
        GOOD.replace("]}", '], "note": "two\nlines"}'),
    ],
)
def test_a_line_that_is_almost_json_is_read(raw: str) -> None:
    mended = repair("not_json", raw.encode(), MESSAGES)
    assert mended.messages is not None, mended.flaw
    assert [(message.role, message.content) for message in mended.messages] == QA


@pytest.mark.parametrize(
    "raw",
    [
        *(GOOD[:-cut] for cut in range(2, len(GOOD))),
        GOOD + GOOD,
        GOOD + "]",
        f"{GOOD}, {GOOD}",
        "{messages: []}",
        "plain prose",
        "",
        "__import__('os').system('true')",
        "{'messages': {1, 2}}",
        "[" * 5000,
        "-" * 60_000 + "1",
        GOOD.replace("Q", "x" * 70_000)[:-1],
    ],
)
def test_a_line_that_is_cut_off_or_unclear_stays_unread(raw: str) -> None:
    mended = repair("not_json", raw.encode(), MESSAGES)
    assert mended.messages is None and mended.flaw is not None


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Grüße aus Köln, schöne Straße", "latin-1"),
        ("50 € für „alles“ – gut", "cp1252"),
        ("Gibt es Rückgabe? Ja, für 30 Tage natürlich möglich.", "cp1252"),
        ("Können Sie die Öffnungszeiten nennen?", "cp1252"),
        ("Ça va? Très bien, merci. Voilà l'été.", "cp1252"),
        ("Não sei. A informação está disponível amanhã.", "cp1252"),
        ("Var är du? Jag är på väg till Malmö.", "cp1252"),
        ("Hvor er du? Jeg er på vej til København.", "cp1252"),
        ("Perché? Perché è così, però non è più possibile.", "cp1252"),
        ("Gibt es Rückgabe? Ja, für 30 Tage natürlich möglich.", "mac_roman"),
        ("Kolik to stojí? Dvacet korun, můžete platit kartou, děkujeme.", "cp1250"),
        ("Hol van az állomás? Az állomás a templommal szemben található.", "cp1250"),
        ("Kde je nádraží? Nádraží je naproti kostelu, jděte rovně.", "cp1250"),
        ("Kje je postaja? Nasproti cerkve, čez križišče.", "cp1250"),
        ("İstasyon nerede? İstasyon kilisenin karşısında.", "cp1254"),
        ("Как использовать JavaScript framework? Установите framework.", "cp1251"),
        ("Πού είναι ο σταθμός; Απέναντι από την εκκλησία.", "cp1253"),
        ("車站在哪裡？車站在教堂對面", "big5"),
        ("Привет, как дела? Всё хорошо", "cp1251"),
        ("zażółć gęślą jaźń", "cp1250"),
        ("你好，我是一个学生", "gb18030"),
        ("こんにちは、元気ですか", "shift_jis"),
        ("안녕하세요 반갑습니다", "euc_kr"),
    ],
)
def test_text_in_another_encoding_is_read_by_its_letters(text: str, encoding: str) -> None:
    raw = json.dumps(record(turn("user", text), A), ensure_ascii=False).encode(encoding)
    mended = repair("not_utf8", raw, MESSAGES)
    assert mended.messages is not None, mended.flaw
    assert mended.messages[0].content == text


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("Wie heißt er?", "cp1252", "Wie heißt er?"),
        ("a " * 50 + "Größe", "cp1252", "…a a a a a a a a a Größe"),
        ("Żółw " + "b " * 50, "cp1250", "Żółw b b b b b b b b b b b b b b b b b b b b b b b b b b b b…"),
        ("plain", "cp1252", ""),
    ],
)
def test_some_words_show_how_letters_in_another_encoding_are_read(text: str, encoding: str, shown: str) -> None:
    raw = json.dumps(record(turn("user", "Only ASCII."), turn("assistant", text)), ensure_ascii=False).encode(encoding)
    assert show_letters(raw) == shown


def test_the_finding_shows_how_fix_reads_the_first_row_that_is_clear() -> None:
    good = b'{"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}'
    told = good.replace(b'"Q"', '"Heißt er Jörg?"'.encode("cp1252"))
    unclear = b'{"messages": "\xa0\xff\x81\x98\xff"}'
    whole = Tally()
    for lines in ([good, unclear], [unclear, told], [told.replace(b"Hei", b"Wei")]):
        batch, before = Batch(), whole.records
        RowConverter(MESSAGES, frozenset()).take(records_of(Block(1, b"\n".join(lines)), 0), batch)
        whole.merge(batch.tally, before)
    [finding] = whole.report(MESSAGES, ["a.jsonl"], {}).findings
    assert [row.line for row in finding.rows] == [2, 3, 4, 5]
    assert finding.fix.endswith("Line 4 of a.jsonl then says: “Heißt er Jörg?”. Look whether these letters are right.")


def test_a_stray_byte_in_utf8_leaves_the_rest_as_it_is() -> None:
    raw = json.dumps(record(turn("user", "naïve 你好 caf#"), A), ensure_ascii=False).encode().replace(b"#", b"\xe9")
    mended = repair("not_utf8", raw, MESSAGES)
    assert mended.messages is not None and mended.messages[0].content == "naïve 你好 café"


def test_the_last_of_two_values_with_one_name_is_taken() -> None:
    raw = GOOD[:-1] + ', "messages": [{"role": "user", "content": "new"}, {"role": "assistant", "content": "A"}]}'
    mended = repair("duplicate_key", raw.encode(), MESSAGES)
    assert mended.messages is not None and mended.messages[0].content == "new"


def test_rows_of_a_table_with_too_many_or_too_few_cells() -> None:
    mended = repair("ragged_row", b'["Q", "one", " two"]', TABLE)
    assert mended.messages is not None and mended.messages[1].content == "one, two"
    short = repair("ragged_row", b'["Q"]', TABLE)
    assert short.flaw is not None and "`a` is empty" in short.flaw.message
    closed = repair("quote_not_closed", b'a 5" nail,is long\n', TABLE)
    assert closed.messages is not None and closed.messages[0].content == 'a 5" nail'
    assert repair("quote_not_closed", b'"open, and, more\n', TABLE).flaw is not None


def test_a_nul_byte_in_a_line_is_removed() -> None:
    mended = repair("nul_character", GOOD.encode().replace(b'"A"', b'"A\x00"'), MESSAGES)
    assert mended.messages is not None and mended.messages[1].content == "A"


def test_a_table_in_an_old_encoding_is_recognised_and_read() -> None:
    rows = [{"question": "Müde?", "answer": "Größe"}, {"question": "Schön?", "answer": "Für dich"}]
    raws = [json.dumps(row, ensure_ascii=False).encode("latin-1") for row in rows]
    items = [Broken(0, line, "not_utf8", "", "", raw) for line, raw in enumerate(raws, start=2)]
    form = recognise(records_to_look_at(items))
    assert (form.kind, form.is_sure) == (FormatKind.QUESTION_ANSWER, True)
    mended = repair("not_utf8", raws[0], form)
    assert mended.messages is not None and mended.messages[0].content == "Müde?"
    assert records_to_look_at([Record(0, 1, 5), Broken(0, 2, "not_json", "", "", b"{")]) == [5]


CONTENTS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["", " ", "x", None, 5, True, {"a": 1}, ["x"], [IMAGE], [{"type": "text", "text": "t"}, IMAGE]]),
)
ROLES = st.sampled_from(
    ["user", "assistant", "system", "asistant", "human", "tool", "function_call", "wizard", None, 3]
)
TURNS = st.lists(
    st.one_of(
        st.builds(turn, ROLES, CONTENTS),
        st.builds(lambda content: turn("assistant", content, tool_calls=[CALL]), CONTENTS),
        st.sampled_from(["text", ["a", "b"], 5, None, {}]),
    ),
    max_size=6,
)


@given(TURNS, st.sampled_from(sorted(REPAIRS)))
def test_what_is_mended_passes_the_rules_or_stays_a_flaw(turns: list[object], any_code: str) -> None:
    value = record(*turns)
    flaw = convert(value, MESSAGES).flaw
    for code in (any_code, flaw.code if flaw else any_code):
        mended = repair(code, value, MESSAGES)
        assert (mended.messages is None) == (mended.flaw is not None)
        if mended.messages is not None:
            again = json.loads(line_of(mended.messages))
            assert convert(again, MESSAGES).messages == mended.messages
            assert repair(code, again, MESSAGES).messages == mended.messages


@given(st.binary(max_size=200), st.sampled_from(sorted(REPAIRS)), st.sampled_from([MESSAGES, TABLE, recognise([])]))
def test_no_bytes_make_a_repair_fail(raw: bytes, code: str, form: RecordFormat) -> None:
    mended = repair(code, raw, form)
    assert (mended.messages is None) == (mended.flaw is not None)


@given(st.text(alphabet="{}[]\",:'\\ntrue01 ", max_size=60))
def test_nearly_json_never_fails(text: str) -> None:
    mended = repair("not_json", text.encode(), MESSAGES)
    assert (mended.messages is None) == (mended.flaw is not None)
