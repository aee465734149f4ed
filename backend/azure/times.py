"""Times as Azure writes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def moment(text: object) -> datetime | None:
    """Of an ISO time with up to seven digits of a second; UTC where it names no zone. None for what is no time."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


def made_at(resource: Mapping[str, Any]) -> datetime | None:
    return moment((resource.get("systemData") or {}).get("createdAt"))
