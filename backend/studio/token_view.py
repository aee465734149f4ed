"""A conversation as the model sees it: rendered by its own template, token by token.

A process of `training_job` (`explain_rows.py`) answers, one for each base model: it begins with the first question
(about 2 s), stays for the next ones (milliseconds), and ends by itself when nobody asks or nobody is left to ask.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import IO, Any, cast

from backend.domain import Failure, Message
from backend.errors import Unavailable
from backend.i18n import _
from backend.settings import QUIET_ENVIRONMENT
from backend.studio.token_failures import as_error, put_in_words
from backend.studio.tokenizer_names import find_tokenizer

SCRIPT = Path(__file__).parents[2] / "training_job" / "explain_rows.py"
IDLE_SECONDS = 300.0
START_SECONDS = 180.0
"""A tokenizer may have to be fetched, and a busy computer takes its time to begin."""
ANSWER_SECONDS = 30.0
VIEWS_KEPT = 2
"""Processes at a time; each takes about 150 MB."""


@dataclass(frozen=True)
class Piece:
    """One token and the text that it stands for; empty where it goes on with a character that another one began."""

    text: str
    token_id: int
    is_special: bool
    is_learnt: bool
    is_cut: bool


@dataclass(frozen=True)
class Span:
    """Tokens side by side that are alike."""

    text: str
    tokens: int
    is_special: bool
    is_learnt: bool
    is_cut: bool


@dataclass(frozen=True)
class RenderedRow:
    """`tokens` are all of the row, `learnt` those that are learnt within the maximum length.

    Of a very long row, `pieces` are only the first.
    """

    pieces: tuple[Piece, ...]
    tokens: int
    learnt: int

    @property
    def text(self) -> str:
        """As the template writes it down."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def is_shortened(self) -> bool:
        return len(self.pieces) < self.tokens

    def spans(self) -> tuple[Span, ...]:
        """The pieces, with those that are alike put together: for display."""
        alike = groupby(self.pieces, key=lambda piece: (piece.is_special, piece.is_learnt, piece.is_cut))
        return tuple(_join(list(pieces), *kind) for kind, pieces in alike)


def _join(pieces: Sequence[Piece], is_special: bool, is_learnt: bool, is_cut: bool) -> Span:
    return Span("".join(piece.text for piece in pieces), len(pieces), is_special, is_learnt, is_cut)


class _Gone(Exception):
    """The process ended before it answered."""


class TokenView:
    """Of one base model: a folder, a Hub id, or a model of Azure's catalogue. Threads may share it."""

    def __init__(self, base: str, *, revision: str | None = None, idle_seconds: float = IDLE_SECONDS) -> None:
        """Raises Unavailable where the model's tokenizer can't be had on this computer."""
        self.base = base
        self._command = [sys.executable, str(SCRIPT), "--model-name-or-path", find_tokenizer(base)]
        self._command += ["--idle-seconds", str(idle_seconds)]
        if revision:
            self._command += ["--revision", revision]
        self._lock = threading.Lock()
        self._process: _Process | None = None

    def explain(self, messages: Sequence[Message], max_length: int | None = None) -> RenderedRow:
        """Raises BadInput (the template refuses it), or Unavailable or NotFound (the tokenizer can't be had)."""
        plain = [{"role": message.role, "content": message.content} for message in messages]
        reply = self._ask({"messages": plain, "max_length": max_length})
        if "failure" in reply:
            raise as_error(put_in_words(Failure.of_facts(reply["failure"]), self.base))
        return RenderedRow(tuple(Piece(*piece) for piece in reply["pieces"]), reply["tokens"], reply["learnt"])

    def warm_up(self) -> None:
        """Begin without waiting, so that the first answer comes sooner."""
        with self._lock:
            self._begin()

    @property
    def is_ready(self) -> bool:
        """Whether the process is there and has begun: then an answer takes milliseconds."""
        process = self._process
        return process is not None and process.is_alive() and process.has_spoken()

    def close(self) -> None:
        """End the process; the next question begins a new one."""
        with self._lock:
            self._end()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            for _attempt in (1, 2):  # it may have ended for want of questions just now
                process = self._begin()
                try:
                    hello = process.hello()
                    if "failure" in hello:
                        self._end()
                        return hello
                    return process.ask(question)
                except _Gone as error:
                    self._end()
                    gone = error
                except TimeoutError as error:
                    self._end()
                    raise Unavailable(
                        _("The model's view of this example took too long."),
                        why=_("This computer may be busy with a training, or the example is very long."),
                        how_to_fix=_("Try again in a moment."),
                        code="token_view_slow",
                    ) from error
            raise Unavailable(
                _("The model's view of this example can't be shown."),
                why=_("The process that makes it ended without a word, perhaps for lack of memory."),
                how_to_fix=_("Close other programs and try again."),
                code="token_view_died",
                raw=str(gone),
            ) from gone

    def _begin(self) -> _Process:
        if self._process is None or not self._process.is_alive():
            self._end()
            self._process = _Process(self._command)
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None


class TokenViews:
    """The views that are open, so that few processes wait: the one not asked for longest is closed for a new one."""

    def __init__(self, keep: int = VIEWS_KEPT) -> None:
        self._keep = keep
        self._views: OrderedDict[tuple[str, str | None], TokenView] = OrderedDict()
        self._lock = threading.Lock()

    def view(self, base: str, revision: str | None = None) -> TokenView:
        """Raises Unavailable where the model's tokenizer can't be had on this computer."""
        with self._lock:
            found = self._views.pop((base, revision), None) or TokenView(base, revision=revision)
            self._views[base, revision] = found
            old = [self._views.popitem(last=False)[1] for _one in range(len(self._views) - self._keep)]
        for view in old:
            view.close()
        return found

    def close(self) -> None:
        with self._lock:
            for view in self._views.values():
                view.close()
            self._views.clear()


class _Process:
    """Questions and answers as lines. A thread reads, so that waiting can end."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **QUIET_ENVIRONMENT},
            start_new_session=True,  # Ctrl+C in the terminal is not meant for it; its input ends with ours
        )
        self._input = cast(IO[bytes], self._process.stdin)
        self._output = cast(IO[bytes], self._process.stdout)
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._hello: dict[str, Any] | None = None
        threading.Thread(target=self._read, daemon=True).start()

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def has_spoken(self) -> bool:
        return self._hello is not None or not self._lines.empty()

    def hello(self) -> dict[str, Any]:
        """Its first word: that it is ready, or why it can't be."""
        if self._hello is None:
            self._hello = self._next(START_SECONDS)
        return self._hello

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Raises _Gone or TimeoutError."""
        try:
            self._input.write(json.dumps(question).encode() + b"\n")
            self._input.flush()
        except OSError as error:
            raise _Gone(str(error)) from error
        return self._next(ANSWER_SECONDS)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._input, self._output):
            with suppress(OSError):  # what was not sent can't be any more
                pipe.close()

    def _read(self) -> None:
        with suppress(OSError, ValueError):  # closed by `end`
            for line in self._output:
                self._lines.put(line)
        self._lines.put(b"")

    def _next(self, seconds: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError from None
        if not line.endswith(b"\n"):
            raise _Gone(f"exit status {self._process.poll()}")
        answer: dict[str, Any] = json.loads(line)
        return answer
