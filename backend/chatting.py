"""Chat: a conversation's next answer comes from running the prompt flow in `flows/chat` against an endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backend.domain import ChatSettings, Conversation
from backend.target import Target

CHAT_FLOW = Path(__file__).parent.parent / "flows" / "chat"


@dataclass(frozen=True)
class ConnectionValues:
    """What prompt flow's custom connection carries; `key` is its secret."""

    endpoint: str
    contract: str
    model: str
    key: str = field(repr=False)


class Chatting:
    def __init__(self, target: Target, database: Path, flow_folder: Path = CHAT_FLOW) -> None:
        self.target = target

    def list(self, limit: int = 50, offset: int = 0) -> Sequence[Conversation]:
        """Newest first, without their messages."""
        raise NotImplementedError

    def create(self, endpoint: str, settings: ChatSettings | None = None, title: str = "") -> Conversation:
        """An empty title becomes the first question's beginning."""
        raise NotImplementedError

    def get(self, conversation_id: str) -> Conversation:
        """With its messages. Raises NotFound."""
        raise NotImplementedError

    def rename(self, conversation_id: str, title: str) -> None:
        raise NotImplementedError

    def set_endpoint(self, conversation_id: str, endpoint: str) -> None:
        raise NotImplementedError

    def set_settings(self, conversation_id: str, settings: ChatSettings) -> None:
        """Raises BadInput for a value out of range."""
        raise NotImplementedError

    def rate(self, message_id: int, rating: int | None) -> None:
        """1 is good, 0 is bad (as in st.feedback's thumbs), None takes it back."""
        raise NotImplementedError

    def delete(self, conversation_id: str) -> None:
        raise NotImplementedError

    def answer(self, conversation_id: str, text: str) -> Iterator[str]:
        """The answer in pieces as they come. The question is saved first, the answer at its end.

        Closing the iterator stops the server too and saves what came, marked `is_stopped`. Raises PhiDeskError
        (also in the middle); then the question stays and no answer is saved.
        """
        raise NotImplementedError

    def answer_again(self, conversation_id: str) -> Iterator[str]:
        """Replace the last answer, or give the one that failed. Raises Conflict without a question."""
        raise NotImplementedError

    def connection(self, endpoint: str) -> ConnectionValues:
        """What the flow's connection holds for this endpoint. Raises NotFound, or Unavailable unless it runs."""
        raise NotImplementedError
