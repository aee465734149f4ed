"""Answers what a model sees in a conversation: a JSON object on each line in, one out, until the input ends."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any, TextIO

from .failures import JobFailure
from .failures import explain as in_words
from .token_pieces import explain

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a library prints must not get between the answers
    asked = threading.Event()
    threading.Thread(target=_end_when_idle, args=(asked, options.idle_seconds), daemon=True).start()
    try:
        from .tokenizer_source import load_chat_tokenizer

        source = load_chat_tokenizer(options.model_name_or_path, options.revision)
    except Exception as error:  # noqa: BLE001  (told to who asks)
        _say(answers, {"failure": _failure(error)})
        return in_words(error).exit_status
    _say(answers, {"ready": True, "context": source.context})
    for line in sys.stdin:
        asked.set()
        _say(answers, _answer(source.chat, line))
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="explain_rows.py",
        description="Shows conversations as a model sees them. Reads lines such as "
        '{"messages": [{"role": "user", "content": "Hi"}], "max_length": 512} and answers each with a line.',
    )
    parser.add_argument("--model-name-or-path", required=True, help="a folder with a tokenizer, or a Hub id")
    parser.add_argument("--revision", help="the commit of a Hub model")
    parser.add_argument("--idle-seconds", type=float, default=300.0, help="ends when nobody asks for that long")
    return parser.parse_args(arguments)


def _answer(chat: Any, line: str) -> dict[str, Any]:
    from jinja2 import TemplateError

    try:
        question = json.loads(line)
        return vars(explain(chat, question["messages"], question.get("max_length")))
    except TemplateError as error:
        what = "The model's chat template refuses this conversation."
        how_to_fix = "Many models want user and assistant in turn, and some know no system message."
        failure = JobFailure("template_rejects_row", what, why=f"It says: {error}.", how_to_fix=how_to_fix)
        return {"failure": _failure(failure)}
    except Exception as error:  # noqa: BLE001  (told to who asks; the next question may be a better one)
        return {"failure": _failure(error)}


def _failure(error: Exception) -> dict[str, str]:
    failure = in_words(error)
    return {name: getattr(failure, name) for name in ("code", "what", "why", "how_to_fix", "raw")}


def _say(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _end_when_idle(asked: threading.Event, seconds: float) -> None:
    while asked.wait(seconds):
        asked.clear()
    logger.info("Nobody asked for %g seconds.", seconds)
    os._exit(0)
