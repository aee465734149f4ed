"""What may go wrong: at the wire (statuses, connections that break or hang) and inside the service."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Trouble:
    """`is_lasting`: not over at the next try, as with a missing right. `heals`: our client must get over it alone.

    `column` heads the table; kinds of one meaning share one.
    """

    name: str
    kind: str
    column: str
    help: str
    details: dict[str, Any] = field(default_factory=dict)
    is_lasting: bool = False
    heals: bool = False


TROUBLES = {
    one.name: one
    for one in (
        Trouble("401", "401", "401", "the sign-in is no longer accepted", is_lasting=True),
        Trouble("403", "403", "403", "a right is missing", is_lasting=True),
        Trouble("404", "404", "404", "what is asked about is not there", is_lasting=True),
        Trouble("409", "409", "409", "something else goes on there, twice", {"times": 2}),
        Trouble(
            "429 with a time",
            "429",
            "429 t",
            "too many requests, and when to come back",
            {"retry_after": 0.05},
            heals=True,
        ),
        Trouble("429", "429", "429", "too many requests, once"),
        Trouble("429 that stays", "429", "429 ∞", "too many requests, always", {"retry_after": 0.01}, is_lasting=True),
        Trouble("500", "500", "500", "the service breaks, once"),
        Trouble("503", "503", "503", "the service is down, once"),
        Trouble("drop", "drop", "drop", "the connection breaks before the request is worked on"),
        Trouble("drop reply", "drop_reply", "drop r", "it breaks after: the work is done, the answer is lost"),
        Trouble("hang", "hang", "hang", "no answer comes, and nothing is done"),
        Trouble("hang reply", "hang_reply", "hang r", "no answer comes, but the work is done"),
        Trouble(
            "slow",
            "slow",
            "slow",
            "an operation takes its time; a model, more than its endpoint allows",
            {"seconds": 0.6},
            heals=True,
        ),
        Trouble("too slow", "slow", "slow", "so slow that the endpoint breaks it off", {"seconds": 200}),
        Trouble("no cluster quota", "compute_quota", "quota", "Azure grants too few cores"),
        Trouble("no endpoint quota", "out_of_quota", "quota", "Azure grants too few cores"),
        Trouble("no image", "image_build", "image", "the container's image can't be built"),
        Trouble(
            "job fails",
            "job_failed",
            "fails",
            "Azure fails at it: a run, a container that does not come up, a part of a workspace",
        ),
        Trouble("probe fails", "probe_failed", "fails", "the container does not come up"),
        Trouble("deployment fails", "deployment_failed", "fails", "Azure makes a part of it, then fails"),
    )
}

EVERY = (
    "401", "403", "404", "409", "429 with a time", "429", "429 that stays", "500", "503", "drop", "drop reply", "hang",
    "hang reply",
)  # fmt: skip
"""All that happens at the wire."""
MAKING = ("403", "409", "429 with a time", "503", "drop reply", "hang reply")
"""For what changes something: the losses of an answer are those that make things twice."""
READING = ("401", "403", "429 with a time", "503", "drop", "hang")
BLOBS = ("403", "503", "drop", "hang")
"""Storage asks nobody to come back later: it answers 503 when it is busy."""
ASKING = ("429 with a time", "429", "500", "503", "drop", "drop reply", "hang", "hang reply")
"""For the sign-in service, whose refusals are words of its own."""
