"""The command line of fine_tune.py. Defaults come from a recipe file, the command line wins. Loads no torch."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from .failures import JobFailure, bad_argument

RECIPES = Path(__file__).parent.parent / "recipes"
DEFAULT_RECIPE = "quick"

# What a recipe need not name.
DEFAULTS: dict[str, Any] = {
    "method": "full",
    "learning_rate": 1e-3,
    "lr_scheduler_type": "cosine",
    "num_train_epochs": 3.0,
    "max_steps": -1,
    "per_device_train_batch_size": 16,
    "per_device_eval_batch_size": 16,
    "gradient_accumulation_steps": 1,
    "warmup_ratio": 0.1,
    "weight_decay": 0.0,
    "max_length": 512,
    "packing": False,
    "gradient_checkpointing": False,
    "precision": "auto",
    "attention": "auto",
    "seed": 0,
    "logging_steps": 10,
    "eval_strategy": "epoch",
    "eval_steps": 50,
    "save_steps": 0,
    "lora_r": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.05,
    "assistant_only_loss": True,
    "early_stopping_patience": 0,
    "keep_best": False,
}
SCHEDULERS = ("cosine", "linear", "constant", "constant_with_warmup", "polynomial", "inverse_sqrt")

# Inclusive lower bound, upper bound, and whether the lower bound itself is refused.
LIMITS: dict[str, tuple[float, float, bool]] = {
    "learning_rate": (0, 10, True),
    "num_train_epochs": (0, 10_000, True),
    "per_device_train_batch_size": (1, 4096, False),
    "per_device_eval_batch_size": (1, 4096, False),
    "gradient_accumulation_steps": (1, 4096, False),
    "warmup_ratio": (0, 0.99, False),
    "weight_decay": (0, 10, False),
    "max_length": (8, 1_048_576, False),
    "seed": (0, 2**32 - 1, False),
    "logging_steps": (1, 1_000_000, False),
    "eval_steps": (1, 10_000_000, False),
    "save_steps": (0, 10_000_000, False),
    "lora_r": (1, 4096, False),
    "lora_alpha": (1, 8192, False),
    "lora_dropout": (0, 0.9, False),
    "early_stopping_patience": (0, 1000, False),
}


class Parser(argparse.ArgumentParser):
    """Raises JobFailure for what can't be read, so that `error.json` tells it too."""

    def error(self, message: str) -> NoReturn:
        raise JobFailure(
            "bad_argument",
            "The command line can't be understood.",
            why=message[:1].upper() + message[1:] + ".",
            how_to_fix=f"See {self.prog} --help.",
            exit_status=2,
        )


def with_hyphens(argv: Sequence[str]) -> list[str]:
    """`--model_output_dir=x` is `--model-output-dir=x`: spec files and the tutorial write underscores."""
    result = []
    for item in argv:
        name, equals, value = item.partition("=")
        result.append(name.replace("_", "-") + equals + value if name.startswith("--") else item)
    return result


def build_parser() -> Parser:
    parser = Parser(
        prog="fine_tune.py",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        description="Fine-tune a chat model on example conversations. The same command again resumes it.",
    )
    files = parser.add_argument_group("files")
    files.add_argument("--train-file", required=True, type=Path, help="JSONL, one {messages: [{role, content}]} a line")
    files.add_argument("--eval-file", required=True, type=Path, help="the same, held out: never trained on")
    files.add_argument("--model-name-or-path", required=True, help="a folder, or a model id of the Hugging Face Hub")
    files.add_argument("--revision", "--model-revision", default=None, help="branch, tag or commit of a Hub model")
    files.add_argument("--output-dir", required=True, type=Path, help="everything is written here")
    files.add_argument(
        "--model-output-dir", type=Path, default=None, help="the MLflow model (default: OUTPUT_DIR/model)"
    )
    names = sorted(path.stem for path in RECIPES.glob("*.json"))
    files.add_argument("--recipe", default=DEFAULT_RECIPE, help=f"{', '.join(names)}, or a file (default: quick)")

    training = parser.add_argument_group("training (defaults: the recipe's)")
    training.add_argument("--method", choices=("full", "lora"))
    training.add_argument("--learning-rate", type=float)
    training.add_argument("--lr-scheduler-type", choices=SCHEDULERS)
    training.add_argument("--num-train-epochs", type=float)
    training.add_argument("--max-steps", type=int, help="stops there, whatever the epochs say; -1: no limit")
    training.add_argument("--per-device-train-batch-size", type=int)
    training.add_argument("--per-device-eval-batch-size", type=int)
    training.add_argument("--gradient-accumulation-steps", type=int)
    training.add_argument("--warmup-ratio", type=float, help="share of all steps in which the learning rate rises")
    training.add_argument("--weight-decay", type=float)
    training.add_argument("--max-length", type=int, help="tokens; what is longer is cut at its end, and counted")
    training.add_argument("--packing", action=argparse.BooleanOptionalAction, help="several conversations in one row")
    training.add_argument(
        "--gradient-checkpointing", action=argparse.BooleanOptionalAction, help="less memory, about a third slower"
    )
    training.add_argument(
        "--assistant-only-loss", action=argparse.BooleanOptionalAction, help="learn the assistant's words only"
    )
    training.add_argument("--seed", type=int)
    training.add_argument("--lora-r", type=int)
    training.add_argument("--lora-alpha", type=int)
    training.add_argument("--lora-dropout", type=float)

    machine = parser.add_argument_group("machine")
    machine.add_argument("--precision", choices=("auto", "fp32", "bf16"), help="of the arithmetic; weights stay fp32")
    machine.add_argument("--attention", choices=("auto", "eager", "sdpa"))

    rhythm = parser.add_argument_group("rhythm")
    rhythm.add_argument("--logging-steps", type=int)
    rhythm.add_argument("--eval-strategy", choices=("no", "steps", "epoch"))
    rhythm.add_argument("--eval-steps", type=int, help="with --eval-strategy steps")
    rhythm.add_argument("--save-steps", type=int, help="0: a checkpoint after each epoch")
    rhythm.add_argument(
        "--early-stopping-patience", type=int, help="evaluations without gain before it stops; 0: never"
    )
    rhythm.add_argument("--keep-best", action=argparse.BooleanOptionalAction, help="end with the lowest eval loss")
    return parser


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Raises JobFailure with exit status 2 for what can't be used."""
    given = vars(build_parser().parse_args(with_hyphens(argv)))
    arguments = argparse.Namespace(**(DEFAULTS | read_recipe(given["recipe"])["arguments"] | given))
    check_values(arguments)
    return arguments


def read_recipe(name: str) -> dict[str, Any]:
    """`{"id", "title", "good_for", "arguments"}` of one of recipes/, or of a file in the same form."""
    path = Path(name) if name.endswith(".json") else RECIPES / f"{name}.json"
    fix = f"Choose one of: {', '.join(sorted(path.stem for path in RECIPES.glob('*.json')))}."
    if not path.is_file():
        raise bad_argument("recipe", f"There is no recipe {name!r}.", fix)
    try:
        recipe: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise bad_argument("recipe", f"{path.name} is no JSON: {error}.", fix) from error
    unknown = sorted(set(recipe.get("arguments", {})) - set(DEFAULTS))
    if "arguments" not in recipe or unknown:
        raise bad_argument("recipe", f"{path.name} has unknown or no arguments: {', '.join(unknown) or 'none'}.", fix)
    return recipe


def check_values(arguments: argparse.Namespace) -> None:
    for name, (low, high, is_open) in LIMITS.items():
        value = getattr(arguments, name)
        option = name.replace("_", "-")
        if not math.isfinite(value) or value < low or value > high or (is_open and value == low):
            span = f"{'more than' if is_open else 'at least'} {low:g} and at most {high:g}"
            raise bad_argument(option, f"{value} is not in its range.", f"Give a number of {span}.")
    if arguments.max_steps != -1 and arguments.max_steps < 1:
        raise bad_argument("max-steps", f"{arguments.max_steps} steps train nothing.", "Give 1 or more, or -1.")
    wants_eval = "early-stopping-patience" if arguments.early_stopping_patience else "keep-best"
    if arguments.eval_strategy == "no" and (arguments.early_stopping_patience or arguments.keep_best):
        raise bad_argument(
            wants_eval, "Nothing is evaluated during training.", "Use it with --eval-strategy epoch or steps."
        )
    for name in ("train_file", "eval_file"):
        if not getattr(arguments, name).is_file():
            raise JobFailure(
                "no_such_file",
                f"There is no file {getattr(arguments, name)}.",
                why=f"--{name.replace('_', '-')} must be a JSONL file of conversations.",
                how_to_fix="Check the path.",
                exit_status=2,
            )
