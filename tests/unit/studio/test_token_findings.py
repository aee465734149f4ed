"""What a maximum length does is said in words, and the fix makes rows fit by the real tokenizer's count."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend.domain import Message
from backend.domain_datasets import Severity
from backend.studio.token_findings import CODES, apply_length_fix, findings, rows_of
from backend.studio.token_table import TokenTable
from tests.unit.studio.test_token_table import WORDS, batch
from tests.unit.studio.token_files import Messages, table_of, talk
from training_job.tuning.batch_tokens import Refused, RowTokens


def as_messages(row: Messages) -> tuple[Message, ...]:
    return tuple(Message(message["role"], message["content"]) for message in row)  # type: ignore[arg-type]


def test_each_finding_says_how_many_what_it_does_and_what_to_do(tmp_path: Path) -> None:
    good, cut, late = RowTokens(50, [(10, 49)]), RowTokens(300, [(10, 299)]), RowTokens(300, [(200, 299)])
    table = table_of(tmp_path, [good, cut, late, Refused("no system role")], [cut])
    found = {finding.code: finding for finding in findings(table, 128)}
    assert set(found) == set(CODES)
    assert {code: finding.count for code, finding in found.items()} == {
        "template_refuses": 1,
        "no_trainable_tokens": 1,
        "answers_cut": 3,
        "over_long": 3,
    }
    refused = {code for code, finding in found.items() if finding.severity == Severity.REFUSED}
    assert refused == {"template_refuses", "no_trainable_tokens"}
    for finding in found.values():
        assert finding.title and finding.effect and finding.skip and finding.advice
        assert [(row.part, row.number) for row in finding.rows] == [
            (part, number) for part, rows in rows_of(finding.code, table, 128).items() for number in rows.tolist()
        ]
        assert all(row.line == row.number + 1 for row in finding.rows)
    assert found["template_refuses"].rows[0].detail == "no system role"
    assert found["answers_cut"].figures["answer_tokens_cut"] == 171 + 171 + 99
    assert "441 of 716 answer tokens (61.6%)" in found["answers_cut"].effect
    assert "300 tokens; 171 answer tokens are cut off" in found["over_long"].rows[0].detail
    assert "512" in found["over_long"].advice
    assert not findings(table_of(tmp_path, [good]), 128)


def test_an_estimate_names_no_rows(tmp_path: Path) -> None:
    table = TokenTable(table_of(tmp_path, [RowTokens(300, [(10, 299)])]).parts, is_estimate=True)
    assert [finding.rows for finding in findings(table, 128)] == [(), ()]


@settings(max_examples=40, deadline=None)
@given(
    texts=st.integers(1, 4).flatmap(lambda turns: st.lists(WORDS, min_size=2 * turns, max_size=2 * turns)),
    system=st.sampled_from(["", "Be kind and brief."]),
    max_length=st.integers(10, 100),
)
@example(["the ferry leaves at seven the ferry leaves at seven", "at seven"] * 2, "", 20)
def test_the_fix_leaves_out_as_few_turns_as_it_takes(texts: list[str], system: str, max_length: int) -> None:
    row = talk(*texts, system=system)
    messages = as_messages(row)
    with tempfile.TemporaryDirectory() as folder:
        length = table_of(Path(folder), batch().count([row])).row("train", 0)

    def tokens(some: tuple[Message, ...]) -> int:
        plain = [{"role": message.role, "content": message.content} for message in some]
        return len(batch().chat.tokenize(plain)[0])

    fixed = apply_length_fix(messages, length, max_length)
    first = 1 if system else 0
    shorter = [(*messages[:first], *messages[first + 2 * gone :]) for gone in range(len(texts) // 2)]
    # Marks from an answer's end to the next question count twice: so it may take one exchange more, never one less.
    marks = len(batch().chat.encode("\n<|user|>\n"))
    if fixed is None:
        assert all(tokens(some) > max_length - marks for some in shorter)
        return
    assert fixed in shorter
    assert tokens(fixed) <= max_length
    assert all(tokens(some) > max_length - marks for some in shorter[: shorter.index(fixed)])
