"""Names of endpoints and deployments: Azure's rules, free ones, and what a refusal for a taken one looks like."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection

from backend.azure.catalogue import MODEL_ID
from backend.errors import BadInput, Conflict, PhiDeskError
from backend.i18n import _

NAME = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]")
COLOURS = ("blue", "green")
_TAKEN = ("unique within", "already an endpoint with", "already exists an endpoint with", "endpointnamenotavailable")


def check_endpoint_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise BadInput(
            _("\"{name}\" can't be an endpoint's name on Azure.").format(name=name),
            how_to_fix=_("Use 3 to 32 of a-z, 0-9 and hyphen, with a letter first and no hyphen last."),
            code="bad_endpoint_name",
        )
    return name


def check_deployment_name(name: str, taken: Collection[str]) -> str:
    if not NAME.fullmatch(name):
        raise BadInput(
            _("\"{name}\" can't be a deployment's name on Azure.").format(name=name),
            how_to_fix=_("Use 3 to 32 of a-z, 0-9 and hyphen, with a letter first and no hyphen last."),
            code="bad_deployment_name",
        )
    if name in taken:
        raise Conflict(
            _("There is a deployment {name} already.").format(name=name),
            how_to_fix=_("Give the new one another name; the old one goes on answering meanwhile."),
            code="deployment_there",
        )
    return name


def free_colour(taken: Collection[str]) -> str:
    names = [*COLOURS, *(f"{colour}-{number}" for number in range(2, 20) for colour in COLOURS)]
    return next(name for name in names if name not in taken)


def name_taken(name: str, error: PhiDeskError) -> Conflict | None:
    """Azure says it in several ways; names are unique in a region, over all of its customers."""
    words = f"{error.why} {error.raw}".lower()
    if not any(sign in words for sign in _TAKEN):
        return None
    free = f"{name[:27].rstrip('-')}-{secrets.token_hex(2)}"
    return Conflict(
        _("The name {name} is taken.").format(name=name),
        why=_("Names of endpoints are unique in a region, and somebody else has this one."),
        how_to_fix=_("Use another one, such as {free}.").format(free=free),
        code="name_taken",
        raw=error.raw,
    )


def deploying_words(model: str, endpoint: str) -> str:
    """The long address of a catalogue's model is told by the model's name."""
    found = MODEL_ID.fullmatch(model)
    return _("Deploying {model} to {name}").format(model=found[2] if found else model, name=endpoint)
