"""What can go wrong with a tokenizer, in the app's words and language; the training job's own words for the rest."""

from __future__ import annotations

from collections.abc import Mapping

from backend.domain import Failure
from backend.errors import BadInput, NotFound, PhiDeskError, Unavailable
from backend.i18n import _

_KINDS: Mapping[str, type[PhiDeskError]] = {
    "hub_unreachable": Unavailable,
    "gated_model": Unavailable,
    "model_not_found": NotFound,
    "no_chat_template": BadInput,
    "template_rejects_row": BadInput,
    "unsupported_chat_template": BadInput,
    "bad_model": BadInput,
}


def put_in_words(failure: Failure, model: str) -> Failure:
    """`model` is the base model as a person knows it."""
    words = {
        "hub_unreachable": (
            _("The tokenizer of {model} is not on this computer, and Hugging Face can't be reached."),
            _("Counting needs a few megabytes of the model's files, once."),
            _("Connect to the internet and try again, or choose the built-in model, which is always here."),
        ),
        "gated_model": (
            _("{model} is gated: its owner wants its terms to be accepted first."),
            _("Hugging Face gives its files to signed-in accounts only."),
            _("Accept the terms on the model's page, make a read token there and set it as HF_TOKEN."),
        ),
        "model_not_found": (
            _("There is no tokenizer for {model}."),
            failure.why,
            _("Copy the model's id from its page, or give the folder that holds its tokenizer."),
        ),
        "no_chat_template": (
            _("{model} has no chat template."),
            _("Its tokenizer doesn't say how a conversation is written down, so it was never made for chat."),
            _("Choose the instruct or chat variant of the model."),
        ),
        "template_rejects_row": (
            _("The chat template of {model} refuses this conversation."),
            failure.why,
            _("Many models want user and assistant in turn, and some know no system message."),
        ),
        "unsupported_chat_template": (
            _("The chat template of {model} hides where an answer begins."),
            _("It writes the same messages differently when more messages follow."),
            _("Choose another base model, or examples with one answer each."),
        ),
    }.get(failure.code)
    if words is None:
        return failure
    what, why, how_to_fix = words
    return Failure(failure.code, what.format(model=model), why=why, how_to_fix=how_to_fix, raw=failure.raw)


def as_error(failure: Failure) -> PhiDeskError:
    return _KINDS.get(failure.code, PhiDeskError).of(failure)
