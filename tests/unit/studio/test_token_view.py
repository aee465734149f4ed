"""A conversation as the model sees it, by a process that stays: exact, quick, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from tokenizers import Tokenizer

from backend.domain import Message
from backend.errors import BadInput, NotFound, Unavailable
from backend.studio import token_view
from backend.studio.token_view import TokenView, TokenViews
from tests.contract.waiting import wait_until
from tests.unit.studio.token_files import BUILT_IN

ROW = (
    Message("system", "Be kind."),
    Message("user", "Who keeps it? 😀 漢字"),
    Message("assistant", "Marta 👩‍👩‍👧 é keeps it."),
)


@pytest.fixture(scope="module")
def view() -> Iterator[TokenView]:
    view = TokenView(str(BUILT_IN))
    view.explain(ROW)
    yield view
    view.close()


def pid_of(view: TokenView) -> int:
    assert view._process is not None
    return view._process._process.pid


def test_each_token_says_what_it_stands_for_and_whether_it_is_learnt(view: TokenView) -> None:
    row = view.explain(ROW)
    assert row.text == (
        "<|system|>\nBe kind.<|end|>\n<|user|>\nWho keeps it? 😀 漢字<|end|>\n"
        "<|assistant|>\nMarta 👩‍👩‍👧 é keeps it.<|end|>\n"
    )
    assert row.tokens == len(row.pieces)
    learnt = [piece for piece in row.pieces if piece.is_learnt]
    assert "".join(piece.text for piece in learnt) == "Marta 👩‍👩‍👧 é keeps it.<|end|>"
    assert row.learnt == len(learnt)
    assert [piece.text for piece in row.pieces if piece.is_special] == [
        "<|system|>", "<|end|>", "<|user|>", "<|end|>", "<|assistant|>", "<|end|>"
    ]  # fmt: skip
    ids = Tokenizer.from_file(str(BUILT_IN / "tokenizer.json")).encode(row.text, add_special_tokens=False).ids
    assert [piece.token_id for piece in row.pieces] == ids


def test_a_character_of_several_tokens_is_shown_once_and_whole(view: TokenView) -> None:
    pieces = view.explain(ROW).pieces
    place = next(place for place, piece in enumerate(pieces) if piece.text == "😀")
    assert [piece.text for piece in pieces[place + 1 : place + 4]] == ["", "", ""]


def test_what_the_maximum_length_cuts_is_marked(view: TokenView) -> None:
    whole = view.explain(ROW)
    cut = view.explain(ROW, whole.tokens - 6)
    assert [piece.is_cut for piece in cut.pieces] == [False] * (whole.tokens - 6) + [True] * 6
    assert cut.learnt == whole.learnt - 5  # the last token of all, a line feed, is not learnt anyway
    spans = cut.spans()
    assert "".join(span.text for span in spans) == whole.text
    assert sum(span.tokens for span in spans) == whole.tokens
    kinds = [(span.is_special, span.is_learnt, span.is_cut) for span in spans]
    assert all(one != other for one, other in pairwise(kinds))


def test_later_answers_come_at_once_from_the_same_process(view: TokenView) -> None:
    process, times = pid_of(view), []
    for _look in range(20):
        started = time.perf_counter()
        view.explain(ROW)
        times.append(time.perf_counter() - started)
    assert pid_of(view) == process
    assert sorted(times)[10] < 0.05


def test_what_the_template_refuses_is_said_and_a_killed_process_is_begun_anew(tmp_path: Path) -> None:
    for file in BUILT_IN.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    refusal = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    (tmp_path / "chat_template.jinja").write_text(refusal + (BUILT_IN / "chat_template.jinja").read_text())
    view = TokenView(str(tmp_path))
    try:
        with pytest.raises(BadInput) as caught:
            view.explain(ROW)
        assert "no system role" in caught.value.why
        killed = pid_of(view)
        os.kill(killed, signal.SIGKILL)
        assert view.explain(ROW[1:]).learnt > 0
        assert pid_of(view) != killed
        assert not psutil.pid_exists(killed)
    finally:
        view.close()


def test_it_ends_by_itself_when_nobody_asks() -> None:
    view = TokenView(str(BUILT_IN), idle_seconds=0.1)
    view.warm_up()
    process = psutil.Process(pid_of(view))
    wait_until(lambda: process.status() == psutil.STATUS_ZOMBIE, "it ends")
    view.close()
    assert not process.is_running()


def test_it_ends_with_who_asked() -> None:
    ask = (
        "import sys, os, time\n"
        "from backend.studio.token_view import TokenView\n"
        f"view = TokenView({str(BUILT_IN)!r}); view.warm_up()\n"
        "print(view._process._process.pid, flush=True); time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", ask], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "it ends too")


def test_one_that_does_not_answer_in_time_is_ended_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_view, "START_SECONDS", 0.05)
    view = TokenView(str(BUILT_IN))
    with pytest.raises(Unavailable) as caught:
        view.explain(ROW)
    assert caught.value.code == "token_view_slow"
    assert view._process is None


def test_one_that_ends_without_a_word_is_said() -> None:
    view = TokenView(str(BUILT_IN))
    view._command = [sys.executable, "-c", "print('torn', end='')"]
    with pytest.raises(Unavailable) as caught:
        view.explain(ROW)
    assert caught.value.code == "token_view_died"


def test_a_folder_without_a_tokenizer_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        TokenView(str(tmp_path)).explain(ROW)
    assert str(tmp_path) in caught.value.what


def test_few_processes_wait(tmp_path: Path) -> None:
    views = TokenViews(keep=1)
    first = views.view(str(BUILT_IN))
    first.warm_up()
    assert views.view(str(BUILT_IN)) is first
    process = pid_of(first)
    views.view("microsoft/Phi-3-mini-4k-instruct")
    assert not psutil.pid_exists(process)
    views.close()


def test_a_very_long_row_is_shown_in_part(view: TokenView) -> None:
    row = view.explain([Message("user", "a b " * 15_000)], 8)
    assert row.is_shortened and len(row.pieces) == 20_000 and row.tokens > 30_000
    assert len(row.text) < 60_000


def test_a_question_that_makes_no_sense_is_answered_so(view: TokenView) -> None:
    assert "failure" in view._ask({"no": "messages"})
    assert view.explain(ROW).learnt > 0
