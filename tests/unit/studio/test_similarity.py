"""Near-duplicates: found after edits, not imagined in short or templated rows, the same in any order."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.samples import __file__ as samples
from backend.studio.shingles import jaccard, shingle
from backend.studio.similarity import similar_clusters
from tests.unit.conversations import SHARED_DATA, jsonl, needs_shared_data, row

WORDS = [f"{first}{second}" for first in "bdfgklmnprst" for second in ("an", "el", "ing", "or", "ust", "ave", "ipe")]


def text(chance: random.Random, count: int) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(count))


def edited(chance: random.Random, original: str, edits: int) -> str:
    words = original.split()
    for place in chance.sample(range(len(words)), edits):
        words[place] = "changed" + str(chance.randrange(1000))
    return " ".join(words)


def clusters_of(folder: Path, rows: list[dict]) -> list[int]:
    path = folder / "rows.jsonl"
    path.write_bytes(jsonl(*rows))
    return [int(one) for one in similar_clusters([path])]


def test_edited_copies_are_found_and_others_are_not(tmp_path: Path) -> None:
    chance = random.Random(0)
    originals = [text(chance, 120) for _ in range(150)]
    copies = [edited(chance, one, 3) for one in originals]
    words = [one.split() for one in originals + copies]
    rows = [row(" ".join(one[:50]), " ".join(one[50:])) for one in words]
    found = clusters_of(tmp_path, rows)
    paired = sum(found[number] == found[number + 150] for number in range(150))
    assert paired >= 149, "three of 120 words changed: at a likeness of 0.85 nearly all are found"
    assert len(set(found)) == 300 - paired, "no two originals are alike"


def test_texts_that_share_half_are_not_alike(tmp_path: Path) -> None:
    chance = random.Random(1)
    shared = [text(chance, 60) for _ in range(50)]
    rows = [row(one, text(chance, 60)) for one in shared for _ in range(2)]
    same_question = clusters_of(tmp_path, rows)
    assert len(set(same_question)) == 50, "who asks the same belongs together, whatever the answer"
    different = clusters_of(
        tmp_path, [row(text(chance, 9), one + " " + text(chance, 60)) for one in shared for _ in "ab"]
    )
    assert len(set(different)) == 100


def test_short_rows_out_of_one_template_are_not_alike(tmp_path: Path) -> None:
    rows = [
        row(f"How many seats does the {name} have?", f"The {name} has {number} seats.")
        for number, name in enumerate(WORDS)
    ]
    assert len(set(clusters_of(tmp_path, rows))) == len(rows)


def test_a_long_instruction_that_all_rows_share_says_nothing(tmp_path: Path) -> None:
    chance = random.Random(2)
    instruction = text(chance, 200)
    rows = [row(f"{instruction}\n{text(chance, 25)}", chance.choice(["good", "bad"])) for _ in range(60)]
    assert len(set(clusters_of(tmp_path, rows))) == 60


def test_case_punctuation_and_spaces_do_not_matter_and_signs_do(tmp_path: Path) -> None:
    rows = [
        row("What is it?", "A red,  red rose"),
        row("what is IT", "A red red rose!"),
        row("2 + 2", "4"),
        row("2 - 2", "0"),
    ]
    found = clusters_of(tmp_path, rows)
    assert found[0] == found[1] and len(set(found)) == 3


def test_scripts_without_spaces_are_compared_by_character(tmp_path: Path) -> None:
    chance = random.Random(3)
    signs = [chr(number) for number in range(0x4E00, 0x4E00 + 800)]
    one = "".join(chance.choices(signs, k=80))
    other = "".join(chance.choices(signs, k=80))
    found = clusters_of(tmp_path, [row("问", one), row("问问", one[:40] + "变" + one[41:]), row("问问问", other)])
    assert found[0] == found[1] != found[2]


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=8)
def test_the_order_of_rows_changes_no_cluster(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    originals = [text(chance, chance.choice([5, 40, 90])) for _ in range(20)]
    rows = [
        row(one, edited(chance, one, chance.randrange(3))) for one in originals for _ in range(chance.randrange(1, 4))
    ]
    order = list(range(len(rows)))
    chance.shuffle(order)
    folder = tmp_path_factory.mktemp("order")
    forward, shuffled = clusters_of(folder, rows), clusters_of(folder, [rows[place] for place in order])
    assert partition([forward[place] for place in order]) == partition(shuffled)


def partition(ids: list[int]) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(np.array(ids) == one).tolist()) for one in set(ids)}


@given(st.lists(st.text(max_size=60), min_size=1, max_size=8))
@settings(deadline=None)
def test_a_text_has_the_same_shingles_alone_and_among_others(texts: list[str]) -> None:
    together = shingle(texts)
    for number, one in enumerate(texts):
        assert together.of(number).tolist() == shingle([one]).hashes.tolist()
        assert len(together.of(number)) == together.words[number] + 2


@given(st.lists(st.sampled_from(WORDS), max_size=40), st.lists(st.sampled_from(WORDS), max_size=40))
@settings(deadline=None)
def test_likeness_is_the_real_overlap_of_three_words_in_a_row(one: list[str], other: list[str]) -> None:
    def threes(words: list[str]) -> set[tuple[str, ...]]:
        padded = ["", "", *words, "", ""]
        return {tuple(padded[place : place + 3]) for place in range(len(padded) - 2)}

    expected = len(threes(one) & threes(other)) / len(threes(one) | threes(other))
    first, second = (np.unique(shingle([" ".join(words)]).hashes) for words in (one, other))
    assert jaccard(first, second) == pytest.approx(expected)


def test_the_sample_that_is_shipped_has_no_near_duplicates() -> None:
    folder = Path(samples).parent
    found = similar_clusters([folder / "train.jsonl", folder / "eval.jsonl"])
    assert len(found) > 400 and len(set(found.tolist())) == len(found)


def test_pieces_of_a_file_read_by_several_processes_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend.studio import row_facts

    chance = random.Random(4)
    originals = [text(chance, 50) for _ in range(40)]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(jsonl(*(row(one, edited(chance, one, 1)) for one in originals * 2)))
    at_once = similar_clusters([path]).tolist()
    monkeypatch.setattr(row_facts, "_PIECE_BYTES", 3000)
    assert similar_clusters([path]).tolist() == at_once == similar_clusters([path], workers=2).tolist()


@needs_shared_data
def test_real_data_has_the_copies_it_has_and_no_others(tmp_path: Path) -> None:
    parts = [SHARED_DATA / "samsum_chat_train.jsonl", SHARED_DATA / "samsum_chat_validation.jsonl"]
    assert len(set(similar_clusters(parts).tolist())) == 100
    records = json.loads((SHARED_DATA / "alpaca_en_demo.json").read_text())
    rows = [row(f"{one['instruction']}\n{one['input']}".strip(), one["output"]) for one in records]
    sizes = Counter(clusters_of(tmp_path, rows))
    copies = len(rows) - len({json.dumps(one).casefold() for one in rows})
    assert len(rows) - len(sizes) == copies == 14
