"""Keeps secrets out of every log line of this process, tracebacks included."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any

_PATTERNS = (
    re.compile(r"\bhf_[A-Za-z0-9]{8,}"),
    re.compile(r"(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"(?<=[?&]token=)[A-Za-z0-9_-]+"),
    re.compile(r"(?<=[?&]sig=)[A-Za-z0-9%_-]+"),
)
HIDDEN = "[hidden]"


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    for pattern in _PATTERNS:
        text = pattern.sub(HIDDEN, text)
    return text


def redact_logs(secrets: Iterable[str]) -> None:
    """Let every log record of this process pass `redact`. Streamlit's loggers have handlers of their own, so a filter
    on the root would miss them; the record factory sees all."""
    known = tuple(secrets)
    make_record = logging.getLogRecordFactory()
    formatter = logging.Formatter()

    def make_redacted_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make_record(*args, **kwargs)
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # a wrong format string is the handler's to report
            return record
        record.msg, record.args = redact(message, known), ()
        if record.exc_info:
            record.exc_text = redact(formatter.formatException(record.exc_info), known)
        return record

    logging.setLogRecordFactory(make_redacted_record)
