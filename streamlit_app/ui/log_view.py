"""The end of a log, with a button for the whole of it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from backend.domain import LogChunk
from backend.errors import NotFound
from backend.i18n import _

TAIL_LINES = 200


def tail(chunk: LogChunk, lines: int = TAIL_LINES) -> str:
    """The last lines of a chunk. Progress bars that overwrite themselves keep their last state only."""
    text = "\n".join(line.rsplit("\r", 1)[-1] for line in chunk.text.replace("\r\n", "\n").split("\n"))
    return "\n".join(text.strip("\n").split("\n")[-lines:])


def show_log(read: Callable[[int | None], LogChunk], *, name: str, key: str) -> None:
    """`read(None)` gives the log's end, `read(0)` the log from its start."""
    try:
        text = tail(read(None))
    except NotFound:
        text = ""
    if not text:
        st.caption(_("The log is still empty."))
        return
    st.code(text, language=None, height=280)
    st.download_button(
        _("Download log"),
        data=lambda: _whole(read).encode(),
        file_name=f"{name}.log",
        mime="text/plain",
        key=key,
        icon=":material/download:",
        on_click="ignore",
    )


def _whole(read: Callable[[int | None], LogChunk]) -> str:
    parts: list[str] = []
    position = 0
    while True:
        chunk = read(position)
        if not chunk.text or chunk.end <= position:
            return "".join(parts)
        parts.append(chunk.text)
        position = chunk.end
