"""The tags that mark what Phi Desk created on Azure: by them it is found again, counted and cleaned up.

Values are at most 256 characters long, as Azure demands.
"""

from __future__ import annotations

from collections.abc import Mapping

LONGEST_TAG = 256
MARK = "phidesk"
MARKED = "1"
KIND = "phidesk-kind"
"""workspace, hub, project, resource_group, identity, cluster, endpoint, deployment, job, connection, ..."""
RUN = "phidesk-run"
"""Id of the job's spec."""
OWNER = "phidesk-owner"
"""Name of what a dependent resource was made for, such as the workspace of a storage account."""
DELETE_AT = "phidesk-delete-at"
"""ISO time (UTC) after which it may be deleted."""
BY = "phidesk-by"
"""The account that made it. "Delete all" takes only what the same account made."""


def marked(kind: str, **more: str) -> dict[str, str]:
    """The tags of something new; `run="r1"` becomes `phidesk-run`."""
    return {MARK: MARKED, KIND: kind} | {f"{MARK}-{name.replace('_', '-')}": value for name, value in more.items()}


def is_marked(tags: Mapping[str, str] | None) -> bool:
    return (tags or {}).get(MARK) == MARKED
