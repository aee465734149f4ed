"""Chat: a conversation's next answer comes from running the prompt flow in `flows/chat` against an endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

from backend.conversations import Conversations
from backend.domain import ChatSettings, Conversation, EndpointState, Message
from backend.errors import BadInput, Conflict, Unavailable
from backend.flow_runner import ConnectionValues, run_flow
from backend.heartbeat import with_heartbeat
from backend.i18n import _
from backend.target import Target

CHAT_FLOW = Path(__file__).parent.parent / "flows" / "chat"
TITLE_LENGTH = 60
MAX_QUESTION = 100_000
MAX_NEW_TOKENS = 4096


class Chatting:
    def __init__(self, target: Target, database: Path, flow_folder: Path = CHAT_FLOW) -> None:
        self.target = target
        self.conversations = Conversations(database)
        self._flow_folder = flow_folder
        self._prompt_flow_home = database.parent / "promptflow"

    def list(self, limit: int = 50, offset: int = 0) -> Sequence[Conversation]:
        """Newest first, without their messages."""
        return self.conversations.list(limit, offset)

    def create(self, endpoint: str, settings: ChatSettings | None = None, title: str = "") -> Conversation:
        """An empty title becomes the first question's beginning."""
        return self.conversations.create(endpoint, _checked(settings or ChatSettings()), title.strip())

    def get(self, conversation_id: str) -> Conversation:
        """With its messages. Raises NotFound."""
        return self.conversations.get(conversation_id)

    def rename(self, conversation_id: str, title: str) -> None:
        self.conversations.set_title(conversation_id, title.strip()[:200])

    def set_endpoint(self, conversation_id: str, endpoint: str) -> None:
        self.conversations.set_endpoint(conversation_id, endpoint)

    def set_settings(self, conversation_id: str, settings: ChatSettings) -> None:
        """Raises BadInput for a value out of range."""
        self.conversations.set_settings(conversation_id, _checked(settings))

    def rate(self, message_id: int, rating: int | None) -> None:
        """1 is good, 0 is bad (as in st.feedback's thumbs), None takes it back."""
        if rating not in {None, 0, 1}:
            raise BadInput(_("A rating is 1 (good), 0 (bad) or none."), code="bad_rating")
        self.conversations.rate(message_id, rating)

    def delete(self, conversation_id: str) -> None:
        self.conversations.delete(conversation_id)

    def answer(self, conversation_id: str, text: str) -> Iterator[str]:
        """The answer in pieces as they come, an empty one now and then while none comes. The question is saved at
        once, the answer at its end.

        Closing the iterator saves what came, marked `is_stopped`, and stops a server that streams. Raises PhiDeskError
        (also in the middle); then the question stays and no answer is saved.
        """
        question = text.strip().replace("\x00", "")
        if not question:
            raise BadInput(_("The question is empty."), how_to_fix=_("Write one."), code="empty_question")
        if len(question) > MAX_QUESTION:
            raise BadInput(
                _("The question has {length} characters; the limit is {limit}.").format(
                    length=len(question), limit=MAX_QUESTION
                ),
                how_to_fix=_("Shorten it; a small model reads a few pages at most."),
                code="question_too_long",
            )
        conversation = self.get(conversation_id)
        question_id = self.conversations.add(conversation_id, "user", question)
        if not conversation.title:
            self.conversations.set_title(conversation_id, _shorten(question))
        return self._stream(conversation, question_id, question, conversation.messages)

    def answer_again(self, conversation_id: str) -> Iterator[str]:
        """Replace the last answer, or give the one that failed. Raises Conflict without a question."""
        conversation = self.get(conversation_id)
        asked = [place for place, message in enumerate(conversation.messages) if message.role == "user"]
        if not asked:
            raise Conflict(_("Nothing was asked yet."), how_to_fix=_("Ask a question first."), code="no_question")
        question = conversation.messages[asked[-1]]
        return self._stream(conversation, question.id or 0, question.content, conversation.messages[: asked[-1]])

    def connection(self, endpoint: str) -> ConnectionValues:
        """What the flow's connection holds for this endpoint. Raises NotFound, or Unavailable unless it runs."""
        found = self.target.endpoints.get(endpoint)
        if found.state is not EndpointState.RUNNING:
            raise Unavailable(
                _("The endpoint {name} is not running.").format(name=endpoint),
                why=found.failure.what if found.failure else found.detail,
                how_to_fix=_("Start it on the Deploy page (or: phidesk deploy start {name}), then ask again.").format(
                    name=endpoint
                ),
                code="endpoint_not_running",
            )
        # Every server behind an endpoint answers to the endpoint's own name, whichever gets this question.
        return ConnectionValues(found.url, found.contract, found.name, self.target.endpoints.key(endpoint))

    def _stream(
        self, conversation: Conversation, question_id: int, question: str, earlier: Sequence[Message]
    ) -> Iterator[str]:
        pieces: list[str] = []

        def save(*, is_stopped: bool) -> None:
            text = "".join(pieces)
            if text or not is_stopped:
                self.conversations.put_answer(conversation.id, question_id, text, is_stopped=is_stopped)

        inputs = {
            "input_data": question,
            "chat_history": _chat_history(earlier),
            "system_prompt": conversation.settings.system_prompt,
            "temperature": conversation.settings.temperature,
            "max_new_tokens": conversation.settings.max_new_tokens,
            "top_p": conversation.settings.top_p,
        }
        flow = run_flow(self._flow_folder, self._prompt_flow_home, self.connection(conversation.endpoint), inputs)
        with closing(with_heartbeat(flow)) as heard:
            try:
                for piece in heard:
                    pieces.append(piece)
                    yield piece
            except (GeneratorExit, KeyboardInterrupt):
                save(is_stopped=True)
                raise
        save(is_stopped=False)


def _chat_history(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Prompt flow's form: questions with their answers. A question that got none is left out."""
    history = []
    for asked, answered in pairwise(messages):
        if asked.role == "user" and answered.role == "assistant":
            history.append({"inputs": {"input_data": asked.content}, "outputs": {"answer": answered.content}})
    return history


def _checked(settings: ChatSettings) -> ChatSettings:
    ranges = (
        ("temperature", settings.temperature, 0, 2),
        ("max_new_tokens", settings.max_new_tokens, 1, MAX_NEW_TOKENS),
        ("top_p", settings.top_p, 0.01, 1),
    )
    for name, value, least, most in ranges:
        if not least <= value <= most:
            raise BadInput(
                _("{name} is {value}; it must be between {least} and {most}.").format(
                    name=name, value=value, least=least, most=most
                ),
                code="out_of_range",
            )
    return settings


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rstrip() + "…"
