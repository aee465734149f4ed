"""Base against tuned on held-out conversations: loss over the assistant's tokens, greedy answers, a verdict per row."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import Parser, with_hyphens
from .conversations import Conversation, read_conversations
from .failures import JobFailure, StopRequested, bad_argument, explain, report_failure
from .files import write_json
from .fine_tuning import STOPPED, find_option, prepare_process
from .metrics import MetricsLog, perplexity
from .stopping import StopSwitch

if TYPE_CHECKING:
    from .scoring import Answer, RowScore

logger = logging.getLogger(__name__)

SAME = 0.02
"""Nats per token within which two losses of one row are called the same."""


def build_parser() -> Parser:
    parser = Parser(
        prog="evaluate.py",
        allow_abbrev=False,
        description="Compare a base and a tuned model on held-out conversations.",
    )
    parser.add_argument("--base-model", required=True, help="a folder, or a model id of the Hugging Face Hub")
    parser.add_argument("--base-revision", default=None, help="branch, tag or commit of a Hub model")
    parser.add_argument("--tuned-model", required=True, help="a folder: what fine_tune.py saved")
    parser.add_argument("--eval-file", required=True, type=Path, help="JSONL, one {messages: [...]} a line")
    parser.add_argument("--output-dir", required=True, type=Path)
    parser.add_argument("--max-rows", type=int, default=50)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--max-length", type=int, default=2048, help="tokens of a conversation that are scored")
    return parser


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    arguments = build_parser().parse_args(with_hyphens(argv))
    for name in ("max_rows", "max_new_tokens", "max_length"):
        if getattr(arguments, name) < 1:
            raise bad_argument(name.replace("_", "-"), f"{getattr(arguments, name)} is too small.", "Give 1 or more.")
    if not arguments.eval_file.is_file():
        raise JobFailure(
            "no_such_file", f"There is no file {arguments.eval_file}.", how_to_fix="Check the path.", exit_status=2
        )
    return arguments


def main(argv: Sequence[str]) -> int:
    """The exit status: 0, 1 for a failure, 2 for unusable arguments, 143 after a SIGTERM."""
    prepare_process()
    output = find_option(argv, "--output-dir")
    try:
        compare_models(parse_arguments(argv))
    except StopRequested:
        logger.info("Stopped on request.")
        return STOPPED
    except Exception as error:  # noqa: BLE001  (the one place where every failure becomes words; nothing is hidden)
        return report_failure(explain(error), output)
    return 0


def compare_models(arguments: argparse.Namespace) -> None:
    """Write `evaluation.json`, then `result.json` (the same without the answers)."""
    StopSwitch().install()
    output: Path = arguments.output_dir
    output.mkdir(parents=True, exist_ok=True)
    for name in ("error.json", "result.json", "evaluation.json"):
        (output / name).unlink(missing_ok=True)
    metrics = MetricsLog(output)
    metrics.phase("loading", 0.0)
    conversations = [row for row in read_conversations(arguments.eval_file) if row.last_exchange()]
    conversations = conversations[: arguments.max_rows]
    if not conversations:
        raise JobFailure(
            "no_trainable_tokens",
            f"{arguments.eval_file.name} has no answer to compare.",
            why="None of its conversations has a message of the role assistant after another one.",
            how_to_fix="Choose a file of conversations with answers.",
        )

    def report(share: float) -> Callable[[float], None]:
        return lambda done: metrics.phase("evaluating", share + done / 4)

    base_scores, base_answers = _run_model("base", arguments, conversations, metrics, report(0.0), report(0.25))
    tuned_scores, tuned_answers = _run_model("tuned", arguments, conversations, metrics, report(0.5), report(0.75))
    answers: list[dict[str, Any]] = []
    for place, conversation in enumerate(conversations):
        messages, expected = conversation.last_exchange() or ([], "")
        base_score, tuned_score = base_scores.get(conversation.line), tuned_scores.get(conversation.line)
        answers.append(
            {
                "messages": messages,
                "question": messages[-1]["content"],
                "expected": expected,
                "base": base_answers[place].text,
                "tuned": tuned_answers[place].text,
                "base_stopped": base_answers[place].is_stopped,
                "tuned_stopped": tuned_answers[place].is_stopped,
                "base_loss": base_score.loss if base_score else None,
                "tuned_loss": tuned_score.loss if tuned_score else None,
                "verdict": judge(base_score, tuned_score),
            }
        )
    result: dict[str, Any] = {
        "rows": len(answers),
        "base": _summary(base_scores, [(row["base"], row["expected"]) for row in answers]),
        "tuned": _summary(tuned_scores, [(row["tuned"], row["expected"]) for row in answers]),
        "verdicts": {name: sum(row["verdict"] == name for row in answers) for name in ("better", "worse", "same")},
    }
    write_json(output / "evaluation.json", result | {"answers": answers})
    write_json(output / "result.json", result)
    metrics.phase("evaluating", 1.0)
    logger.info("Complete: %s", result)


def _run_model(
    which: str,
    arguments: argparse.Namespace,
    conversations: list[Conversation],
    metrics: MetricsLog,
    on_scored: Callable[[float], None],
    on_answered: Callable[[float], None],
) -> tuple[dict[int, RowScore], list[Answer]]:
    """The scores by line (a row cut to nothing has none), and the answers in order. One model in memory at a time."""
    from .base_model import is_folder

    name = arguments.base_model if which == "base" else arguments.tuned_model
    if is_folder(arguments.base_model) and is_folder(arguments.tuned_model):
        os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    import transformers

    from . import base_model, hardware
    from .chat_tokens import ChatTokenizer, tokenize_rows
    from .scoring import answer_prompts, score_rows

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    source = base_model.find_model(
        name,
        arguments.base_revision if which == "base" else None,
        lambda done: metrics.phase("downloading", done),
    )
    chat = ChatTokenizer(base_model.load_tokenizer(source))
    rows = tokenize_rows(chat, conversations, name="eval", max_length=arguments.max_length).rows
    machine = hardware.choose_machine(
        argparse.Namespace(precision="auto", attention="auto"),
        typical_tokens=max(len(row.input_ids) for row in rows),
        parameters=base_model.count_parameters(source),
        is_packing=False,
    )
    logger.info("%s model: %s (%s). %s", which.capitalize(), source.name, source.revision, machine.reason)
    dtype = torch.bfloat16 if machine.is_bf16 else torch.float32
    model = base_model.load_model(source, attention=machine.attention, dtype=dtype).to(machine.device)
    scores = dict(zip((row.line for row in rows), score_rows(model, rows, on_scored), strict=True))
    prompts = [(conversation.last_exchange() or ([], ""))[0] for conversation in conversations]
    answers = answer_prompts(model, chat, prompts, max_new_tokens=arguments.max_new_tokens, on_progress=on_answered)
    return scores, answers


def judge(base: RowScore | None, tuned: RowScore | None) -> str:
    if base is None or tuned is None or abs(tuned.loss - base.loss) <= SAME:
        return "same"
    return "better" if tuned.loss < base.loss else "worse"


def normalise(text: str) -> str:
    """What exact match ignores: case, and how much white space there is."""
    return " ".join(text.split()).casefold()


def _summary(scores: dict[int, RowScore], answers: list[tuple[str, str]]) -> dict[str, float]:
    from .scoring import mean_loss

    loss = mean_loss(list(scores.values()))
    exact = sum(normalise(given) == normalise(expected) for given, expected in answers)
    return {"loss": loss, "perplexity": perplexity(loss), "exact_match": exact / len(answers)}
