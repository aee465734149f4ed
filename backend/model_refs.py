"""How registered models are named, on every target: `name:version`, or `name` for the newest version."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from backend.domain import JobState, Model
from backend.errors import BadInput, Conflict, NotFound
from backend.i18n import _

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MODEL_REF = re.compile(r"[^/\\:]+:\d+")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
"""A base model's, as owner/name."""


def check_model_name(name: str) -> None:
    """Raises BadInput."""
    if not MODEL_NAME.fullmatch(name):
        raise BadInput(
            _("{name} can't be a model's name.").format(name=repr(name)),
            why=_("A name has 1 to 64 letters, digits, dots, hyphens and underscores."),
            code="bad_model_name",
        )


def find_model(ref: str, versions_of: Callable[[str], Iterable[Model]]) -> Model:
    """`versions_of` gives the versions of a name, the newest first. Raises NotFound."""
    name, _colon, number = ref.partition(":")
    if MODEL_NAME.fullmatch(name) and (number.isdigit() or not number):
        for model in versions_of(name):
            if not number or model.version == int(number):
                return model
    raise NotFound(
        _("No such model: {ref}.").format(ref=ref),
        how_to_fix=_("See the list of models, or register a complete run."),
        code="no_such_model",
    )


def nothing_to_register(job_id: str, state: JobState) -> Conflict:
    return Conflict(
        _("The run {id} has no model to register.").format(id=job_id),
        why=_("Its state is {state}.").format(state=state.value),
        how_to_fix=_("Wait until it is complete, or resume it."),
        code="job_not_completed",
    )
