"""Counting runs in a process of its own, tells an estimate first, and is not done twice for the same content."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from backend.errors import Unavailable
from backend.studio import background_process, tokens
from backend.studio.tokenizer_names import find_tokenizer, identify
from backend.studio.tokens import TokenMeasurement, measure
from tests.contract.waiting import wait_until
from tests.unit.studio.token_files import BUILT_IN, Part, talk, write_part

ROWS = [
    talk(f"Who keeps tower {n}?", "Marta keeps it. " * (1 + n % 9), "And now?", f"Owen. {n}", system="Be kind.")
    for n in range(40)
]


def finish(parts: Sequence[Part], cache: Path, base: str = str(BUILT_IN)) -> TokenMeasurement:
    found: TokenMeasurement = wait_until(
        lambda: (now := measure(parts, base, cache)).is_final and now, "the counting is over", 120
    )
    return found


def test_the_rows_are_counted_and_found_again_under_another_name(tmp_path: Path) -> None:
    train, held = write_part(tmp_path / "train.jsonl", ROWS), write_part(tmp_path / "eval.jsonl", ROWS[:7])
    cache = tmp_path / "cache"
    assert measure([train, held], str(BUILT_IN), cache).phase == "waiting"
    found = finish([train, held], cache)
    assert (found.phase, found.failure) == ("done", None)
    table = found.table
    assert table is not None and not table.is_estimate
    assert (table.rows, table.context) == (47, 2048)
    assert [part.name for part in table.parts] == ["train", "eval"]
    raw = Tokenizer.from_file(str(BUILT_IN / "tokenizer.json"))
    for number, row in enumerate(ROWS):
        text = "".join(f"<|{message['role']}|>\n{message['content']}<|end|>\n" for message in row)
        ids = raw.encode(text, add_special_tokens=False).ids
        length = table.row("train", number)
        assert length.total == len(ids)
        learnt = [raw.decode(ids[start:end], skip_special_tokens=False) for start, end in length.spans]
        assert learnt == [message["content"] + "<|end|>" for message in row if message["role"] == "assistant"]

    other = Part("mine", Path(shutil.copy(train.path, tmp_path / "copy.jsonl")))
    again = measure([other, held], str(BUILT_IN), cache)
    assert again.phase == "done" and again.table is not None
    assert again.table.row("mine", 3).total == table.row("train", 3).total

    [damaged] = cache.glob(f"*.v*/{tokens._digest(train.path)}.npz")
    damaged.write_bytes(damaged.read_bytes()[:200])
    tokens._load_cached.cache_clear()
    assert measure([train, held], str(BUILT_IN), cache).phase != "done"
    again = finish([train, held], cache)
    assert again.table is not None and again.table.row("train", 3) == table.row("train", 3)

    with other.path.open("a") as file:
        file.write(json.dumps({"messages": ROWS[0]}) + "\n")
    assert measure([other, held], str(BUILT_IN), cache).phase == "waiting"
    tokens.stop([other, held], str(BUILT_IN), cache)
    assert list((cache / "work").iterdir()) != []  # the first one's, and nothing of the stopped one
    assert len(list((cache / "work").iterdir())) == 1


def test_a_large_file_is_estimated_first_and_digested_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "DIGEST_AT_ONCE", 1000)
    train = write_part(tmp_path / "train.jsonl", [talk(f"Q {n}", "Marta. " * (n % 5 + 1)) for n in range(6000)])
    cache = tmp_path / "cache"
    seen: list[TokenMeasurement] = []

    def is_over() -> bool:
        seen.append(measure([train], str(BUILT_IN), cache))
        return seen[-1].is_final

    wait_until(is_over, "the counting is over", 120)
    estimates = [one.table for one in seen if one.table is not None and one.table.is_estimate]
    exact = seen[-1].table
    assert estimates and exact is not None and not exact.is_estimate
    assert exact.rows == 6000
    assert all(abs(table.rows / 6000 - 1) < 0.05 for table in estimates)
    assert all(abs(table.total_tokens() / exact.total_tokens() - 1) < 0.05 for table in estimates)
    assert [one.done for one in seen] == sorted(one.done for one in seen)
    started = time.perf_counter()
    assert measure([train], str(BUILT_IN), cache).phase == "done"
    assert time.perf_counter() - started < 0.5

    shutil.rmtree(next(path for path in cache.iterdir() if path.name != "work"))
    tokens._load_cached.cache_clear()
    assert measure([train], str(BUILT_IN), cache).phase == "waiting"  # somebody emptied the cache
    tokens.stop([train], str(BUILT_IN), cache)


def test_a_counting_that_was_killed_has_failed_and_can_be_asked_for_again(tmp_path: Path) -> None:
    train = write_part(tmp_path / "train.jsonl", ROWS * 400)
    cache = tmp_path / "cache"
    measure([train], str(BUILT_IN), cache)
    work = next((cache / "work").iterdir())
    wait_until(lambda: background_process.is_alive(work), "it is alive")
    os.kill(json.loads((work / "process.json").read_text())["pid"], 9)
    killed = finish([train], cache)
    assert killed.phase == "failed" and killed.failure is not None and killed.failure.what
    assert measure([train], str(BUILT_IN), cache).phase == "failed"
    assert measure([train], str(BUILT_IN), cache, again=True).phase == "waiting"
    wait_until(lambda: background_process.is_alive(work), "the new one is alive")
    tokens.stop([train], str(BUILT_IN), cache)
    assert not background_process.is_alive(work)
    assert list((cache / "work").iterdir()) == []


def test_a_model_that_can_not_be_fetched_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    train = write_part(tmp_path / "train.jsonl", ROWS[:2])
    found = finish([train], tmp_path / "cache", "some-owner/no-such-model")
    assert found.failure is not None and found.failure.code == "hub_unreachable"
    assert "some-owner/no-such-model" in found.failure.what
    assert "built-in model" in found.failure.how_to_fix


def test_rows_that_the_template_refuses_are_listed(tmp_path: Path) -> None:
    strict = Path(shutil.copytree(BUILT_IN, tmp_path / "strict", ignore=shutil.ignore_patterns("*.safetensors")))
    template = (strict / "chat_template.jinja").read_text()
    refusal = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    (strict / "chat_template.jinja").write_text(refusal + template)
    train = write_part(tmp_path / "train.jsonl", [talk("Q", "A"), talk("Q", "A", system="S"), talk("Q", "A")])
    found = finish([train], tmp_path / "cache", str(strict))
    assert found.table is not None
    assert list(found.table.refused()) == [("train", 1, "no system role")]
    assert identify(str(strict)) != identify(str(BUILT_IN))


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("microsoft/Phi-3-mini-4k-instruct", "microsoft/Phi-3-mini-4k-instruct"),
        (
            "azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/13",
            "microsoft/Phi-3-mini-4k-instruct",
        ),
        ("azureml://registries/azureml/models/Phi-4/versions/2", "microsoft/phi-4"),
        ("azureml://registries/azureml/models/Phi-4-mini-instruct/labels/latest", "microsoft/Phi-4-mini-instruct"),
        (str(BUILT_IN), str(BUILT_IN)),
    ],
)
def test_where_a_tokenizer_is_found(base: str, expected: str) -> None:
    assert find_tokenizer(base) == expected


@pytest.mark.parametrize("base", ["azureml://registries/x/models/Phi-3-small-8k-instruct/versions/1", "mine:3", "/no"])
def test_a_model_whose_tokenizer_can_not_be_known_here_is_said(tmp_path: Path, base: str) -> None:
    with pytest.raises(Unavailable) as caught:
        measure([], base, tmp_path)
    assert base in caught.value.what and caught.value.how_to_fix


def test_a_tokenizer_is_known_by_its_files_not_by_its_weights(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(BUILT_IN, tmp_path / "copy", ignore=shutil.ignore_patterns("*.safetensors")))
    assert identify(str(copy)) == identify(str(BUILT_IN))
    (copy / "chat_template.jinja").write_text("{{ messages }}")
    assert identify(str(copy)) != identify(str(BUILT_IN))
    assert identify("some-owner/no-such-model") == "hub-some-owner--no-such-model-{revision}"
