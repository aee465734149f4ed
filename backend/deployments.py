"""Endpoints: a registered model made to answer, over the target."""

from __future__ import annotations

from collections.abc import Sequence

from backend.domain import Endpoint, LogChunk
from backend.target import Target


class Deployments:
    def __init__(self, target: Target) -> None:
        self.target = target

    def create(self, name: str, model: str) -> Endpoint:
        """Create (or take) the endpoint and deploy the model to it; returns at once.

        `model` is a registry ref or a base model's id; an empty name becomes `name_for(model)`.
        """
        raise NotImplementedError

    def name_for(self, model: str) -> str:
        """An endpoint name (3 to 32 of a-z, 0-9, hyphen) made of a model's ref: `my-phi:2` gives `my-phi-2`."""
        raise NotImplementedError

    def wait_until_answering(self, name: str, timeout: float = 120) -> Endpoint:
        """Raises JobFailed with the endpoint's own reason, or Unavailable at the deadline."""
        raise NotImplementedError

    def start(self, name: str) -> Endpoint:
        raise NotImplementedError

    def stop(self, name: str) -> Endpoint:
        raise NotImplementedError

    def delete(self, name: str) -> None:
        raise NotImplementedError

    def list(self) -> Sequence[Endpoint]:
        raise NotImplementedError

    def get(self, name: str) -> Endpoint:
        raise NotImplementedError

    def logs(self, name: str, since: int | None = None) -> LogChunk:
        raise NotImplementedError

    def key(self, name: str) -> str:
        raise NotImplementedError
