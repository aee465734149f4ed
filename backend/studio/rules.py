"""What a usable conversation is, and in words what is wrong with one that isn't. Pure functions over one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.domain import ROLES, Message
from backend.i18n import _
from backend.studio.roles import TOOL_NAMES, clean_name, nearest_role


@dataclass(frozen=True)
class Flaw:
    code: str
    message: str
    fix: str


def check_record(record: object) -> tuple[Message, ...] | Flaw:
    """The record's messages, or the first thing wrong with it. Other columns than `messages` are left out.

    An empty system message says nothing and is left out: many exports put one into every row.
    """
    if not isinstance(record, Mapping):
        return not_an_object(record)
    return check_turns(record.get("messages"))


def not_an_object(record: object) -> Flaw:
    return Flaw(
        "not_an_object",
        _("The record is {kind}, not an object.").format(kind=kind_of(record)),
        _("Put the messages into an object: {example}.").format(example='{"messages": [...]}'),
    )


def check_turns(turns: object) -> tuple[Message, ...] | Flaw:
    """The messages of a list of `{"role", "content"}`, or the first thing wrong with it."""
    clean = clean_messages(turns)
    if clean is not None:
        return clean
    if not isinstance(turns, list):
        return Flaw(
            "messages_not_a_list",
            _("The conversation is {kind}, not a list of messages.").format(kind=kind_of(turns)),
            _("Make it a list of objects with `role` and `content`."),
        )
    if not turns:
        return Flaw("messages_empty", _("The conversation has no messages."), _("Add a question and its answer."))
    messages: list[Message] = []
    for number, turn in enumerate(turns, start=1):
        message = _check_turn(number, turn)
        if isinstance(message, Flaw):
            return message
        if message.content or message.role != "system":
            messages.append(message)
    return _check_order(messages) or tuple(messages)


def clean_messages(turns: object) -> tuple[Message, ...] | None:
    """The messages of a list that has nothing wrong with it, found quickly; None for a closer look."""
    if type(turns) is not list:
        return None
    found: list[Message] = []
    wanted = "user"
    for turn in turns:
        if type(turn) is not dict or (len(turn) > 2 and has_tool_call(turn)):
            return None
        content = turn.get("content")
        if type(content) is not str or not content or content.isspace() or is_unfit(content):
            return None
        role = turn.get("role")
        if role == wanted:
            wanted = "user" if role == "assistant" else "assistant"
        elif role != "system" or found:
            return None
        found.append(Message(role, content))
    return tuple(found) if wanted == "user" and len(found) > 1 else None


def is_unfit(text: str) -> bool:
    """Has it a NUL or half a character? Neither can be written as UTF-8 text that others read."""
    if "\x00" in text:
        return True
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def has_tool_call(turn: Mapping[str, object]) -> bool:
    return bool(turn.get("tool_calls") or turn.get("function_call"))


def _check_turn(number: int, turn: object) -> Message | Flaw:
    if not isinstance(turn, Mapping):
        return Flaw(
            "message_not_an_object",
            _("Message {number} is {kind}, not an object.").format(number=number, kind=kind_of(turn)),
            _("Write it as an object with `role` and `content`."),
        )
    role = turn.get("role")
    if has_tool_call(turn) or (isinstance(role, str) and clean_name(role) in TOOL_NAMES):
        return Flaw(
            "tool_turns",
            _("Message {number} calls a tool, or is what a tool answered.").format(number=number),
            _("Write it as what the user or the assistant says, or remove these messages."),
        )
    if not isinstance(role, str) or role not in ROLES:
        return _unknown_role(number, turn, role)
    content = turn.get("content")
    if not isinstance(content, str):
        if isinstance(content, list) and any(is_other_part(part) for part in content):
            what = _("Message {number} ({role}) has a part that is no text, such as an image.").format(
                number=number, role=role
            )
            return Flaw("part_not_text", what, _("Remove the part; only text can be learnt here."))
        if "content" not in turn:
            what = _("Message {number} ({role}) has no `content`.").format(number=number, role=role)
            return Flaw("content_missing", what, _("Add its text as `content`."))
        what = _("The content of message {number} ({role}) is {kind}, not text.").format(
            number=number, role=role, kind=kind_of(content)
        )
        return Flaw("content_not_text", what, _("Write the content as one text in quotes."))
    if is_unfit(content):
        return Flaw(
            "nul_character",
            _("The content of message {number} ({role}) has a NUL or half a character.").format(
                number=number, role=role
            ),
            _("Remove it; the text may have been cut or badly converted."),
        )
    if not content.strip():
        if role == "system":
            return Message("system", "")
        return Flaw(
            "content_empty",
            _("Message {number} ({role}) is empty.").format(number=number, role=role),
            _("Write its text, or remove the message together with its question or answer."),
        )
    return Message(role, content)


def is_other_part(part: object) -> bool:
    """A typed part of a content that is no text: an image, a sound, a call."""
    return isinstance(part, Mapping) and not isinstance(part.get("text"), str) and "type" in part


def _check_order(messages: list[Message]) -> Flaw | None:
    """system?, then user and assistant in turns, the assistant last: what every chat template of Phi takes."""
    roles = [message.role for message in messages]
    if "assistant" not in roles:
        return Flaw(
            "no_assistant",
            _("The assistant never answers in this conversation."),
            _("Add the answer that the model should learn as a message of the role `assistant`."),
        )
    if "system" in roles[1:]:
        return Flaw(
            "system_not_first",
            _("A system message stands at place {number}; only the first message may be one.").format(
                number=roles.index("system", 1) + 1
            ),
            _("Move it to the beginning, and keep only one."),
        )
    turns = roles[1:] if roles[0] == "system" else roles
    skipped = len(roles) - len(turns)
    for number, role in enumerate(turns):
        wanted = "assistant" if number % 2 else "user"
        if role != wanted:
            return Flaw(
                "wrong_order",
                _("Message {number} is the {role}'s, where the {wanted}'s turn is.").format(
                    number=number + skipped + 1, role=role, wanted=wanted
                ),
                _("Let user and assistant take turns, the user first; join messages that follow one another."),
            )
    if turns[-1] != "assistant":
        return Flaw(
            "last_turn_not_assistant",
            _("The last message is the user's: there is no answer to learn from it."),
            _("Add the assistant's answer, or remove the last message."),
        )
    return None


def _unknown_role(number: int, turn: Mapping[str, object], role: object) -> Flaw:
    if "role" not in turn:
        what = _("Message {number} has no `role`.").format(number=number)
        return Flaw("role_missing", what, _("Add one of: {roles}.").format(roles=", ".join(ROLES)))
    if not isinstance(role, str):
        what = _("The role of message {number} is {kind}, not text.").format(number=number, kind=kind_of(role))
        return Flaw("unknown_role", what, _("Use one of: {roles}.").format(roles=", ".join(ROLES)))
    what = _('Message {number} has the unknown role "{role}".').format(number=number, role=role[:40])
    if meant := nearest_role(role):
        return Flaw("unknown_role", what, _('Call it "{role}".').format(role=meant))
    return Flaw("unknown_role", what, _("Use one of: {roles}.").format(roles=", ".join(ROLES)))


def kind_of(value: object) -> str:
    if value is None:
        return _("null")
    if isinstance(value, bool):
        return _("true or false")
    if isinstance(value, int | float):
        return _("a number")
    if isinstance(value, str):
        return _("text")
    return _("a list") if isinstance(value, list) else _("an object")
