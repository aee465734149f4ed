"""Runs the chat flow with prompt flow, in this process: no connection store, no keyring, no server beside us."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.errors import BadInput, PhiDeskError, Unavailable
from backend.i18n import _
from backend.settings import QUIET_ENVIRONMENT

CONNECTION_NAME = "phidesk_endpoint"
"""The connection's name in flow.dag.yaml."""

_CONFIGURATION = "telemetry:\n  enabled: false\ntrace:\n  destination: none\n"


@dataclass(frozen=True)
class ConnectionValues:
    """What prompt flow's custom connection carries; `key` is its secret."""

    endpoint: str
    contract: str
    model: str
    key: str = field(repr=False)


def run_flow(
    flow_folder: Path, home: Path, connection: ConnectionValues, inputs: Mapping[str, Any]
) -> Generator[str, None, None]:
    """The flow's `answer` in pieces. `home` is for prompt flow's own files. Raises PhiDeskError, also in mid-answer.

    Closing the iterator closes the flow's, and with it the connection to the endpoint.
    """
    _quiet(home)
    from promptflow.core import Flow  # seconds: not before the first chat

    values = {"endpoint": connection.endpoint, "contract": connection.contract, "model": connection.model}
    connections = {
        CONNECTION_NAME: {
            "type": "CustomConnection",
            "module": "promptflow.connections",
            "secret_keys": ["key"],
            "value": {**values, "key": connection.key},
        }
    }

    try:
        answer = Flow.load(flow_folder).invoke(dict(inputs), connections=connections).output["answer"]
        try:
            for piece in answer:
                if type(piece).__name__ != "ErrorText":  # meant for prompt flow's server; the exception follows
                    yield piece
        finally:
            answer.close()
    except Exception as error:
        raise _in_words(error) from error


def _in_words(error: Exception) -> Exception:
    """The flow's own error class is loaded by prompt flow under another name, so its name tells it.

    Prompt flow wraps what a node raises before its first piece. Anything else is a defect, and stays what it is.
    """
    error = getattr(error, "inner_exception", None) or error
    if type(error).__name__ != "EndpointError":
        return error
    code = getattr(error, "code", "")
    kind: type[PhiDeskError] = (
        BadInput if code in {"bad_key", "bad_endpoint", "bad_contract", "refused"} else Unavailable
    )
    return kind(
        getattr(error, "what", "") or _("The endpoint gave no answer."),
        how_to_fix=getattr(error, "how_to_fix", ""),
        code=code,
        raw=getattr(error, "raw", ""),
    )


def _quiet(home: Path) -> None:
    for name, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PF_HOME_DIRECTORY", str(home))
    configuration = Path(os.environ["PF_HOME_DIRECTORY"]) / "pf.yaml"
    if not configuration.exists():
        configuration.parent.mkdir(parents=True, exist_ok=True)
        configuration.write_text(_CONFIGURATION)
