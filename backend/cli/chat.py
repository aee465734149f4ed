"""`phidesk chat`: one question and its answer, through the same prompt flow and the same history as the page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.output import AsJson, desk, harmless, show, table
from backend.domain import ChatSettings, EndpointState
from backend.i18n import _

if TYPE_CHECKING:
    from backend.bootstrap import Desk


def add_to(group: typer.Typer) -> None:
    group.command("ask")(ask)
    group.command("list")(list_conversations)
    group.command("show")(show_conversation)
    group.command("delete")(delete)


def ask(
    question: Annotated[str, typer.Argument(help=_("What to ask."))],
    endpoint: Annotated[str, typer.Option(help=_("Which one (default: the one that is running)."))] = "",
    conversation: Annotated[str, typer.Option(help=_("Go on with this conversation."))] = "",
    system: Annotated[str, typer.Option(help=_("A system prompt."))] = "",
    temperature: Annotated[float, typer.Option(help=_("0 always gives the likeliest words."))] = 0.0,
    max_new_tokens: Annotated[int, typer.Option(help=_("Longest answer."))] = 128,
    top_p: Annotated[float, typer.Option(help=_("Leave out the least likely words."))] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Ask a question; the answer is printed as it comes."""
    services = desk()
    chatting = services.chatting
    if not conversation:
        settings = ChatSettings(system, temperature, max_new_tokens, top_p)
        conversation = chatting.create(endpoint or _running_endpoint(services), settings).id
    pieces = []
    for piece in chatting.answer(conversation, question):
        pieces.append(piece)
        if not as_json:
            sys.stdout.write(harmless(piece))
            sys.stdout.flush()
    if as_json:
        used = chatting.get(conversation).endpoint
        answer = {"conversation_id": conversation, "endpoint": used, "question": question, "answer": "".join(pieces)}
        show(True, answer)
    else:
        sys.stdout.write("\n")


def list_conversations(as_json: AsJson = False) -> None:
    """Conversations, newest first."""
    found = desk().chatting.list()
    rows = [(one.id, one.endpoint, one.title) for one in found]
    show(as_json, {"conversations": found}, *table(("ID", "ENDPOINT", "TITLE"), rows))


def show_conversation(
    conversation: Annotated[str, typer.Argument(help=_("The conversation's id."))], as_json: AsJson = False
) -> None:
    """All messages of a conversation."""
    found = desk().chatting.get(conversation)
    show(as_json, found, *(f"{message.role}: {message.content}" for message in found.messages))


def delete(
    conversation: Annotated[str, typer.Argument(help=_("The conversation's id."))], as_json: AsJson = False
) -> None:
    """Delete a conversation."""
    desk().chatting.delete(conversation)
    show(as_json, {"deleted": conversation}, _("Deleted {id}.").format(id=conversation))


def _running_endpoint(services: Desk) -> str:
    from backend.errors import BadInput

    running = [one.name for one in services.deployments.list() if one.state is EndpointState.RUNNING]
    if len(running) == 1:
        return running[0]
    raise BadInput(
        _("Say which endpoint to ask.") if running else _("No endpoint is running."),
        how_to_fix=_("Use --endpoint with one of: {names}.").format(names=", ".join(running))
        if running
        else _("Make one with phidesk deploy create, or start one with phidesk deploy start."),
        code="no_endpoint",
    )
