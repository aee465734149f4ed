"""The examination of parts: what it finds with its places, in this process and in one of its own."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars
import pytest

from backend.domain_datasets import Decision, Finding, Severity
from backend.samples import __file__ as samples
from backend.studio import background_process, examination
from backend.studio import finding_codes as codes
from backend.studio.content_fixes import apply
from backend.studio.content_words import describe_content, describe_pair
from backend.studio.examination import (
    Examined,
    Part,
    examine,
    examined,
    forget_examination,
    read_examination,
    start_examination,
)
from backend.studio.row_index import messages_of
from tests.contract.waiting import wait_until
from tests.unit.conversations import SHARED_DATA, jsonl, needs_shared_data, row

WORDS = Path(__file__).read_text().split()


def passage(start: int, count: int = 60) -> str:
    return " ".join(f"{word.strip('.,:()')}x{start}" for word in WORDS[start : start + count])


def many(count: int, first: int = 0) -> list[dict]:
    return [row(f"What of {passage(place, 8)}?", passage(place, 40)) for place in range(first, first + count)]


def part(folder: Path, name: str, rows: list[dict], **detail: object) -> Part:
    path = folder / f"{name}.jsonl"
    path.write_bytes(jsonl(*rows))
    return Part(name, path, **detail)  # type: ignore[arg-type]


def by_code(found: Examined) -> dict[str, Finding]:
    return {finding.code: finding for finding in found.findings}


def test_rows_in_order_have_no_finding(tmp_path: Path) -> None:
    assert examine([part(tmp_path, "rows", many(220))]).findings == ()


def test_the_sample_that_is_shipped_has_no_finding() -> None:
    folder = Path(samples).parent
    assert examine([Part("train", folder / "train.jsonl"), Part("eval", folder / "eval.jsonl")]).findings == ()


def test_copies_are_named_with_what_they_copy_and_left_out_when_asked(tmp_path: Path) -> None:
    rows = many(205)
    rows[50] = row(f"WHAT of  {passage(3, 8)}?", passage(3, 40))
    near = passage(7, 40).split()
    rows[60] = row(f"What of {passage(7, 8)}?", " ".join([*near[:20], "changed", *near[21:]]))
    found = examine([part(tmp_path, "rows", rows)])
    copies, near_copies = by_code(found)[codes.DUPLICATES], by_code(found)[codes.NEAR_DUPLICATES]
    assert [(one.line, one.number, one.detail) for one in copies.rows] == [
        (51, 50, "Line 51 of rows.jsonl is the same as line 4 of rows.jsonl.")
    ]
    assert [one.detail for one in near_copies.rows] == [
        "Line 61 of rows.jsonl is nearly the same as line 8 of rows.jsonl."
    ]
    assert copies.rows[0].excerpt.startswith("WHAT of") and copies.skip and not copies.fix
    decisions = {codes.DUPLICATES: Decision.SKIP, codes.NEAR_DUPLICATES: Decision.SKIP}
    lines = [messages_of(json.dumps(one).encode()) for one in rows]
    kept = [apply(line, int(flags), decisions) for line, flags in zip(lines, found.flags["rows"], strict=True)]
    assert [number for number, one in enumerate(kept) if one is None] == [50, 60]
    again = examine([part(tmp_path, "rows", [one for number, one in enumerate(rows) if kept[number]])])
    assert again.findings == ()


def test_two_answers_to_one_question_are_found_and_all_left_out_when_asked(tmp_path: Path) -> None:
    rows = many(205)
    rows[50] = row(rows[3]["messages"][0]["content"].upper(), "It is blue.")
    rows[60] = row(rows[3]["messages"][0]["content"], "It is blue.")
    rows[70] = row(rows[8]["messages"][0]["content"], rows[8]["messages"][1]["content"].upper())
    found = examine([part(tmp_path, "rows", rows)])
    finding = by_code(found)[codes.CONFLICTING]
    assert (finding.count, finding.severity, found.numbers("rows", codes.CONFLICTING)) == (
        3,
        Severity.WARNING,
        [3, 50, 60],
    )
    assert [one.detail for one in finding.rows] == [
        "Line 4 of rows.jsonl asks what line 51 of rows.jsonl asks, and is answered differently.",
        "Line 51 of rows.jsonl asks what line 4 of rows.jsonl asks, and is answered differently.",
        "Line 61 of rows.jsonl asks what line 4 of rows.jsonl asks, and is answered differently.",
    ]
    line = messages_of(json.dumps(rows[3]).encode())
    assert apply(line, int(found.flags["rows"][3]), {codes.CONFLICTING: Decision.SKIP}) is None
    assert finding.skip and not finding.fix


def test_held_out_rows_that_are_trained_on_are_shown_in_pairs_and_train_gives_way(tmp_path: Path) -> None:
    train = many(210)
    held_out = [
        *many(5, first=300),
        train[4],
        row(train[6]["messages"][0]["content"], "Something else."),
        row(f"What of {passage(9, 8)}? Please!", passage(9, 40)),
    ]
    parts = [part(tmp_path, "train", train), part(tmp_path, "eval", held_out)]
    found = examine(parts)
    details = {code: [one.detail for one in finding.rows] for code, finding in by_code(found).items()}
    assert details == {
        codes.LEAK_EXACT: ["Line 6 of eval is line 5 of train."],
        codes.LEAK_QUESTION: ["Line 7 of eval asks what line 7 of train asks."],
        codes.LEAK_NEAR: ["Line 8 of eval is nearly line 10 of train."],
    }
    assert {one.part for finding in found.findings for one in finding.rows} == {"eval"}
    assert [found.numbers("train", code) for code in codes.LEAKS] == [[4], [6], [9]]
    assert not found.flags["eval"].any()
    groups = found.groups
    assert groups["train"][4] == groups["eval"][5] and groups["train"][6] == groups["eval"][6]


def test_a_question_that_nearly_all_rows_ask_is_no_leak(tmp_path: Path) -> None:
    rows = [row("Write a poem.", passage(place, 40)) for place in range(250)]
    found = examine([part(tmp_path, "train", rows[:220]), part(tmp_path, "eval", rows[220:])])
    assert found.findings == ()
    assert len(set(found.groups["train"].tolist())) == 220


@pytest.mark.parametrize(
    ("count", "severity"), [(3, Severity.WARNING), (20, Severity.WARNING), (120, Severity.HINT), (200, None)]
)
def test_what_to_expect_of_few_examples_is_said(tmp_path: Path, count: int, severity: Severity | None) -> None:
    found = by_code(examine([part(tmp_path, "rows", many(count))]))
    if severity is None:
        assert not found
    else:
        finding = found[codes.TOO_FEW]
        assert (finding.severity, finding.count) == (severity, count) and finding.effect and finding.advice


def test_uneven_answers_and_one_answer_for_all_are_said(tmp_path: Path) -> None:
    classes = [row(f"Which is {passage(place, 9)}?", "spam" if place % 10 == 0 else "no spam") for place in range(250)]
    uneven = by_code(examine([part(tmp_path, "rows", classes)]))[codes.UNEVEN_ANSWERS]
    assert (uneven.count, uneven.figures["share"], uneven.figures["different"]) == (225, 0.9, 2)
    even = [row(f"Which is {passage(place, 9)}?", "spam" if place % 2 else "no spam") for place in range(250)]
    assert examine([part(tmp_path, "rows", even)]).findings == ()
    same = [*many(150), *(row(f"Which is {passage(place, 9)}?", "I don't know.") for place in range(300, 400))]
    assert "40 %" in by_code(examine([part(tmp_path, "rows", same)]))[codes.ONE_ANSWER].title


def test_a_mixture_of_languages_is_said_with_its_shares(tmp_path: Path) -> None:
    english = [
        "The ferry to the island leaves every morning from the old harbour, weather permitting, number {}."
    ] * 160
    german = ["Die Fähre zur Insel fährt jeden Morgen vom alten Hafen ab, wenn das Wetter es zulässt, Nummer {}."] * 80
    rows = [row(f"Question {place}?", text.format(place)) for place, text in enumerate(english + german)]
    finding = by_code(examine([part(tmp_path, "rows", rows)]))[codes.LANGUAGES]
    assert "English 67 %, German 33 %" in finding.title and finding.count == 80
    assert {one.detail for one in finding.rows} == {"German"} and finding.rows[0].line > 160


def test_places_are_those_of_the_files_a_person_knows(tmp_path: Path) -> None:
    rows = many(210)
    rows[3]["messages"][1]["content"] += "<|end|>"
    places = tmp_path / "index.parquet"
    lines = [(place % 2, 1000 + place) for place in range(210)]
    polars.DataFrame(
        {"file": [file for file, _ in lines], "line": [line for _, line in lines]},
        schema={"file": polars.UInt16, "line": polars.UInt32},
    ).write_parquet(places)
    found = examine([part(tmp_path, "rows", rows, files=("a.csv", "b.jsonl.gz"), places=places)])
    (finding,) = found.findings
    (place,) = finding.rows
    assert (place.file, place.line, place.number, place.detail) == ("b.jsonl.gz", 1003, 3, "<|end|>")


def test_what_was_found_is_known_again_by_its_content_and_decisions_are_only_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = many(210)
    rows[3]["messages"][1]["content"] += "<|end|>"
    first = examine([part(tmp_path, "rows", rows)], cache=tmp_path / "cache")
    renamed = tmp_path / "other.jsonl"
    shutil.copy(tmp_path / "rows.jsonl", renamed)
    with monkeypatch.context() as without:
        without.setattr("backend.studio.content_pass.look_at", None)  # a second look would fail
        second = examine(
            [Part("rows", renamed)], decisions={codes.TEMPLATE_TOKENS: Decision.FIX}, cache=tmp_path / "cache"
        )
    assert [one.decision for one in second.findings] == [Decision.FIX]
    assert first.findings[0].decision is None and second.findings[0].rows[0].file == "other.jsonl"
    assert np.array_equal(first.flags["rows"], second.flags["rows"])
    assert np.array_equal(first.groups["rows"], second.groups["rows"])
    (kept,) = (tmp_path / "cache").glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:100])
    assert examine([Part("rows", renamed)], cache=tmp_path / "cache").findings[0].count == 1


def test_small_parts_are_examined_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "examination"
    assert read_examination(folder).phase == "waiting"
    start_examination(folder, [part(tmp_path, "rows", many(20))], cache=tmp_path / "cache")
    state = read_examination(folder, {codes.TOO_FEW: Decision.KEEP})
    assert (state.phase, state.done) == ("done", 1.0)
    assert [(one.code, one.decision) for one in state.findings] == [(codes.TOO_FEW, Decision.KEEP)]


def test_large_parts_are_examined_by_a_process_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "SMALL_BYTES", 0)
    rows = many(300)
    rows[299] = rows[0]
    folder, parts = tmp_path / "examination", [part(tmp_path, "rows", rows)]
    start_examination(folder, parts, cache=tmp_path / "cache")
    assert read_examination(folder).phase in {"waiting", "running"}
    wait_until(lambda: read_examination(folder).phase in {"done", "failed"}, "the examination is over", 120)
    assert [one.code for one in read_examination(folder).findings] == [codes.DUPLICATES]
    assert examined(folder).numbers("rows", codes.DUPLICATES) == [299]
    start_examination(tmp_path / "again", parts, cache=tmp_path / "cache")
    assert read_examination(tmp_path / "again").phase == "done", "known again: no process is started"
    assert not (tmp_path / "again" / "process.json").exists()


def test_an_examination_can_be_forgotten_and_one_of_a_file_that_goes_away_has_failed_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "SMALL_BYTES", 0)
    folder, rows = tmp_path / "examination", part(tmp_path, "rows", many(100))
    start_examination(folder, [rows], cache=tmp_path / "cache")
    background_process.stop(folder)
    assert read_examination(folder).phase == "failed"
    forget_examination(folder)
    assert read_examination(folder).phase == "waiting" and not folder.exists()
    start_examination(folder, [rows], cache=tmp_path / "cache")
    rows.path.unlink()
    wait_until(lambda: read_examination(folder).phase not in {"waiting", "running"}, "the examination is over", 120)
    failure = read_examination(folder).failure
    assert failure and failure.code == "examination_failed" and failure.how_to_fix


def test_who_asks_at_once_gets_one_examination(tmp_path: Path) -> None:
    rows, folder = part(tmp_path, "rows", many(100)), tmp_path / "examination"

    def look(_asker: int) -> str:
        start_examination(folder, [rows], cache=tmp_path / "cache")
        return read_examination(folder).phase

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(look, range(6))) <= {"waiting", "running", "done"}
    assert read_examination(folder).phase == "done"


def test_a_result_may_be_kept_by_several_threads_at_once(tmp_path: Path) -> None:
    rows, cache = [part(tmp_path, "rows", many(50))], tmp_path / "cache"
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _asker: examine(rows, cache=cache).findings, range(12)))
    assert all(one == found[0] for one in found)
    assert [path.suffix for path in cache.iterdir()] == [".npz"], "nothing half is left behind"


def test_a_large_result_that_the_cache_has_lost_is_found_anew_in_the_background(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "SMALL_BYTES", 0)
    folder, parts, cache = tmp_path / "examination", [part(tmp_path, "rows", many(20))], tmp_path / "cache"
    start_examination(folder, parts, cache=cache)
    wait_until(lambda: read_examination(folder).phase == "done", "the examination is over", 120)
    shutil.rmtree(cache)
    assert read_examination(folder).phase == "waiting" and not cache.exists(), "whoever looks need not wait for it"
    start_examination(folder, parts, cache=cache)
    wait_until(lambda: read_examination(folder).phase == "done", "the examination is over", 120)


def test_every_code_has_its_words() -> None:
    assert set(codes.ORDER) == {*codes.BITS, *codes.OF_SETS}
    for code in codes.ORDER:
        for count in (1, 5, 60):
            words = describe_content(code, count, {"share": 0.5, "different": 3, "sample": 9, "median_characters": 7})
            assert words.title and words.effect.endswith(".")
            assert words.skip or code in codes.OF_SETS, "every finding of rows can be left out"
    for code in (codes.DUPLICATES, codes.NEAR_DUPLICATES, *codes.LEAKS):
        assert describe_pair(code, "line 1 of a", "line 2 of b").startswith("Line 1 of a")


@needs_shared_data
def test_real_data_raises_few_alarms(tmp_path: Path) -> None:
    train, held_out = (SHARED_DATA / f"samsum_chat_{name}.jsonl" for name in ("train", "validation"))
    assert set(by_code(examine([Part("train", train), Part("eval", held_out)]))) == {codes.TOO_FEW}
    records = json.loads((SHARED_DATA / "alpaca_en_demo.json").read_text())
    rows = [row(f"{one['instruction']}\n{one['input']}".strip(), one["output"]) for one in records]
    counts = {code: finding.count for code, finding in by_code(examine([part(tmp_path, "rows", rows)])).items()}
    assert counts[codes.DUPLICATES] == 14 and counts[codes.MAIL] == 2
    assert set(counts) == {codes.DUPLICATES, codes.MAIL, codes.REFUSAL, codes.SHORT_ANSWERS}
