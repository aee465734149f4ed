"""The form of the training parameters, drawn from what the training service says about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from backend.i18n import _
from backend.recipes import Parameter, Recipe

Value = str | int | float | bool | None


OF_A_CATALOGUE = frozenset(
    {
        "method", "num_train_epochs", "max_steps", "learning_rate", "per_device_train_batch_size",
        "per_device_eval_batch_size", "gradient_accumulation_steps", "weight_decay", "lr_scheduler_type", "max_length",
        "lora_r", "lora_alpha", "lora_dropout", "logging_steps", "seed",
    }
)  # fmt: skip
"""What a service's own recipe for its catalogue takes over; the rest of ours does not apply there."""


def show_parameters(parameters: Sequence[Parameter], recipe: Recipe, *, of_catalogue: bool) -> Mapping[str, Value]:
    """Draw the fields that apply with the recipe's values; returns what the person changed."""
    changed: dict[str, Value] = {}
    grid = st.grid(2, min_column_width=260)
    for parameter in parameters:
        if parameter.name not in recipe.values or (of_catalogue and parameter.name not in OF_A_CATALOGUE):
            continue
        default = recipe.values[parameter.name]
        with grid.cell():
            value = _field(parameter, default, key=f"parameter_{recipe.id}_{parameter.name}")
        if value != default:
            changed[parameter.name] = value
    return changed


def _field(parameter: Parameter, default: Value, *, key: str) -> Value:
    label, help_text = parameter.title, parameter.help or None
    if parameter.choices:
        options = list(parameter.choices)
        index = options.index(str(default)) if str(default) in options else 0
        return st.selectbox(label, options, index=index, key=key, help=help_text)
    if parameter.kind is bool:
        return st.toggle(label, value=bool(default), key=key, help=help_text)
    if parameter.kind is int:
        whole: Any = None if default is None else int(default)
        return st.number_input(
            label,
            min_value=None if parameter.minimum is None else int(parameter.minimum),
            max_value=None if parameter.maximum is None else int(parameter.maximum),
            value=whole,
            step=1,
            key=key,
            help=help_text,
            placeholder=_("automatic"),
        )
    if parameter.kind is float:
        number: Any = None if default is None else float(default)
        return st.number_input(
            label,
            min_value=None if parameter.minimum is None else float(parameter.minimum),
            max_value=None if parameter.maximum is None else float(parameter.maximum),
            value=number,
            step=(abs(number) / 10 if number else 0.01),
            format="%g",
            key=key,
            help=help_text,
            placeholder=_("automatic"),
        )
    text = st.text_input(label, value="" if default is None else str(default), key=key, help=help_text)
    return text or None if default is None else text
