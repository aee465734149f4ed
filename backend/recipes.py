"""The presets in `training_job/recipes/` and what may be changed in them: the form and the check both read this."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.errors import BadInput
from backend.i18n import _

Value = str | int | float | bool | None
FIRST = ("quick", "balanced", "thorough", "lora", "tutorial")
"""The order on the page; others follow by name."""
MOST_PARAMETERS_OF_A_SMALL_MODEL = 200_000_000


@dataclass(frozen=True)
class Recipe:
    """`id` is the file's stem; `values` are the training script's arguments (names with underscores)."""

    id: str
    title: str
    description: str
    values: Mapping[str, Value]


@dataclass(frozen=True)
class Parameter:
    """One argument of the training script that a person may change, its bounds included."""

    name: str
    title: str
    help: str
    kind: type
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    is_advanced: bool = False


def read_recipes(folder: Path) -> Sequence[Recipe]:
    found = []
    for path in folder.glob("*.json"):
        recipe = json.loads(path.read_text(encoding="utf-8"))
        found.append(Recipe(path.stem, recipe["title"], recipe["good_for"], recipe["arguments"]))
    place = {name: number for number, name in enumerate(FIRST)}
    return sorted(found, key=lambda recipe: (place.get(recipe.id, len(place)), recipe.id))


def suited_to(base_parameters: int) -> str:
    """Id of the preset for a base model of this size; 0: not known. The quick one would spoil a large model."""
    return "quick" if 0 < base_parameters <= MOST_PARAMETERS_OF_A_SMALL_MODEL else "lora"


def parameters() -> Sequence[Parameter]:
    """In the order of the form. The bounds are those of training_job/tuning/arguments.py (a test compares them)."""
    most = 4096
    return (
        Parameter(
            "num_train_epochs", _("Epochs"), _("How often every example is seen."), float, minimum=0.01, maximum=10_000
        ),
        Parameter(
            "learning_rate",
            _("Learning rate"),
            _("How far each step goes. Too high forgets, too low learns nothing."),
            float,
            minimum=1e-9,
            maximum=10,
        ),
        Parameter(
            "per_device_train_batch_size", _("Batch size"), _("Examples in one step."), int, minimum=1, maximum=most
        ),
        Parameter(
            "max_length",
            _("Longest example (tokens)"),
            _("Longer conversations are cut at their end. Longer needs more memory."),
            int,
            minimum=8,
            maximum=1_048_576,
        ),
        Parameter(
            "method",
            _("Method"),
            _("Full changes the whole model; LoRA trains a small addition and needs far less memory."),
            str,
            choices=("full", "lora"),
        ),
        Parameter("lora_r", _("LoRA rank"), _("Size of the addition."), int, 1, most, is_advanced=True),
        Parameter("lora_alpha", _("LoRA alpha"), _("Strength of the addition."), int, 1, 8192, is_advanced=True),
        Parameter("lora_dropout", _("LoRA dropout"), _("Share left out at random."), float, 0, 0.9, is_advanced=True),
        Parameter(
            "lr_scheduler_type",
            _("Learning rate schedule"),
            _("How the learning rate falls."),
            str,
            choices=("cosine", "linear", "constant", "constant_with_warmup", "polynomial", "inverse_sqrt"),
            is_advanced=True,
        ),
        Parameter(
            "warmup_ratio",
            _("Warm-up"),
            _("Share of all steps in which the learning rate rises."),
            float,
            minimum=0,
            maximum=0.99,
            is_advanced=True,
        ),
        Parameter(
            "gradient_accumulation_steps",
            _("Gradient accumulation"),
            _("Batches gathered into one step: a larger batch without more memory."),
            int,
            minimum=1,
            maximum=most,
            is_advanced=True,
        ),
        Parameter("weight_decay", _("Weight decay"), _("Pulls the weights to zero."), float, 0, 10, is_advanced=True),
        Parameter(
            "packing",
            _("Packing"),
            _("Several short conversations in one row: faster on a GPU."),
            bool,
            is_advanced=True,
        ),
        Parameter(
            "gradient_checkpointing",
            _("Gradient checkpointing"),
            _("Less memory, about a third slower."),
            bool,
            is_advanced=True,
        ),
        Parameter(
            "assistant_only_loss",
            _("Learn answers only"),
            _("The questions are read, but not learned."),
            bool,
            is_advanced=True,
        ),
        Parameter(
            "precision",
            _("Precision"),
            _("Of the arithmetic; auto takes what this computer is good at."),
            str,
            choices=("auto", "fp32", "bf16"),
            is_advanced=True,
        ),
        Parameter(
            "attention",
            _("Attention"),
            _("The way attention is computed; auto takes the faster one."),
            str,
            choices=("auto", "eager", "sdpa"),
            is_advanced=True,
        ),
        Parameter(
            "per_device_eval_batch_size",
            _("Batch size in evaluation"),
            _("Examples at once."),
            int,
            minimum=1,
            maximum=most,
            is_advanced=True,
        ),
        Parameter(
            "eval_strategy",
            _("Evaluate"),
            _("When held-out examples are checked."),
            str,
            choices=("epoch", "steps", "no"),
            is_advanced=True,
        ),
        Parameter("eval_steps", _("Evaluate every (steps)"), _("With steps."), int, 1, 10_000_000, is_advanced=True),
        Parameter("logging_steps", _("Log every (steps)"), "", int, minimum=1, maximum=1_000_000, is_advanced=True),
        Parameter(
            "save_steps",
            _("Checkpoint every (steps)"),
            _("0: after each epoch."),
            int,
            minimum=0,
            maximum=10_000_000,
            is_advanced=True,
        ),
        Parameter(
            "max_steps", _("At most (steps)"), _("-1: no limit."), int, minimum=-1, maximum=10_000_000, is_advanced=True
        ),
        Parameter(
            "early_stopping_patience",
            _("Early stopping"),
            _("Evaluations without gain before it stops; 0: never."),
            int,
            minimum=0,
            maximum=1000,
            is_advanced=True,
        ),
        Parameter("keep_best", _("Keep the best"), _("End with the lowest evaluation loss."), bool, is_advanced=True),
        Parameter(
            "seed",
            _("Seed"),
            _("The same seed gives the same run on the same machine."),
            int,
            minimum=0,
            maximum=2**32 - 1,
            is_advanced=True,
        ),
    )


def check_values(changed: Mapping[str, Value]) -> dict[str, Value]:
    """The values in their right type; text is read (the command line has only text), None means the preset's own.

    Raises BadInput that names the field and what it may be.
    """
    known = {parameter.name: parameter for parameter in parameters()}
    checked: dict[str, Value] = {}
    for name, value in changed.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise BadInput(
                _("There is no parameter {name}.").format(name=name),
                how_to_fix=_("Did you mean {name}?").format(name=near[0])
                if near
                else _("Use one of: {names}.").format(names=", ".join(known)),
                code="no_such_parameter",
            )
        if value is not None:
            checked[name] = _check_value(known[name], value)
    if checked.get("eval_strategy") == "no" and (checked.get("keep_best") or checked.get("early_stopping_patience")):
        raise BadInput(
            _("Keep the best and Early stopping need evaluations, but Evaluate is no."),
            how_to_fix=_("Set eval_strategy to epoch or steps."),
            code="out_of_range",
        )
    if checked.get("max_steps") == 0:
        raise BadInput(
            _("max_steps is 0: nothing would be trained."), how_to_fix=_("Use 1 or more, or -1."), code="out_of_range"
        )
    return checked


def _check_value(parameter: Parameter, value: str | int | float | bool) -> Value:
    if parameter.choices:
        if value not in parameter.choices:
            raise _unfit(parameter, value, _("one of: {names}").format(names=", ".join(parameter.choices)))
        return value
    if parameter.kind is bool:
        words = {
            "true": True,
            "yes": True,
            "on": True,
            "1": True,
            "false": False,
            "no": False,
            "off": False,
            "0": False,
        }
        read = value if isinstance(value, bool) else words.get(str(value).strip().lower())
        if read is None:
            raise _unfit(parameter, value, _("true or false"))
        return read
    least, most = parameter.minimum, parameter.maximum
    allowed = _("a whole number") if parameter.kind is int else _("a number")
    if least is not None and most is not None:
        allowed = _("{kind} from {least} to {most}").format(kind=allowed, least=f"{least:g}", most=f"{most:.10g}")
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except ValueError:
        number = math.nan
    is_whole = math.isfinite(number) and (parameter.kind is not int or number == int(number))
    if not is_whole or (least is not None and number < least) or (most is not None and number > most):
        raise _unfit(parameter, value, allowed)
    return int(number) if parameter.kind is int else number


def _unfit(parameter: Parameter, value: object, allowed: str) -> BadInput:
    return BadInput(
        _('{name} is "{value}"; it must be {allowed}.').format(
            name=parameter.name, value=str(value)[:60], allowed=allowed
        ),
        how_to_fix=_("Correct it, or leave it out to keep the preset's value."),
        code="out_of_range",
    )
