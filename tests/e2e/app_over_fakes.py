"""Starts the real app over the fake target, with a run in each state, a registered model and answering endpoints.

For what a real training would take minutes to reach: every state of a page, and answers that are hostile or slow.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from backend import bootstrap
from backend.bootstrap import Desk
from backend.chatting import Chatting
from backend.datasets import Datasets
from backend.deployments import Deployments
from backend.domain import BUILT_IN_MODEL, JobState
from backend.evaluation import Evaluation
from backend.settings import Settings
from backend.training import Training
from tests.fakes import FakeTarget
from tests.flows.small_endpoint import KEY, SmallEndpoint, serve
from tests.pages.test_model_pages import EVALUATION
from tests.pages.test_safe_text import HOSTILE

NAMES = ("Waiting", "Running", "Lost", "Failed", "Stopped", "![x](http://evil.example/x.png)", "Finished")
SLOW_WORDS = 400
SLOW_SECONDS = 0.05
"""Between words: the pace of a model on a CPU."""


class Pieces(list[str]):
    """What is answered depends on the question: `hostile` gives all hostile texts, `slow` many words in their time,
    `halting` two, and then none for longer than any test waits; `silent` none at all."""

    def __init__(self, endpoint: SmallEndpoint) -> None:
        self.endpoint = endpoint

    def __iter__(self) -> Iterator[str]:
        question = self.endpoint.bodies[-1]["messages"][-1]["content"]
        if "hostile" in question:
            yield from (text + "\n\n" for text in HOSTILE if len(text) < 500)
        elif "slow" in question:
            for number in range(SLOW_WORDS):
                time.sleep(SLOW_SECONDS)
                yield f"word{number} "
        elif "halting" in question or "silent" in question:
            yield from ("word0 ", "word1 ") if "halting" in question else ()
            threading.Event().wait()
        else:
            yield from ("The Puffin ", "leaves at **7:25**.")


def build(settings: Settings | None, small: SmallEndpoint) -> Desk:
    settings = settings or Settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    target = FakeTarget()
    target.title = "This computer"
    target.jobs.clock.moment = datetime.now(UTC) - timedelta(minutes=20)
    datasets = Datasets(settings.datasets_folder)
    training = Training(target, datasets)
    evaluation = Evaluation(target, datasets)
    deployments = Deployments(target)
    dataset = next(iter(datasets.list()), None) or datasets.create_from_sample()
    jobs = target.jobs
    ids = {}
    for name in NAMES:
        ids[name] = training.start(replace(training.spec(name, dataset.id, BUILT_IN_MODEL), id=f"run-{len(ids)}")).id
    for name in ("Running", "Lost", "Stopped"):
        jobs.advance(ids[name], 12)
    for name, heartbeat in (("Running", timedelta(days=1)), ("Lost", timedelta(seconds=-90))):
        run = jobs.runs[ids[name]]
        run.job = replace(run.job, heartbeat_at=datetime.now(UTC) + heartbeat)
    jobs.runs[ids["Lost"]].job = replace(jobs.runs[ids["Lost"]].job, state=JobState.UNKNOWN)
    jobs.fail(ids["Failed"])
    jobs.cancel(ids["Stopped"])
    jobs.end_cancel(ids["Stopped"])
    for name in NAMES[-2:]:
        jobs.complete(ids[name])
    model = training.register(ids["Finished"], "ferries")
    compared = evaluation.start(evaluation.spec(model.ref, max_rows=3))
    jobs.complete(compared.id, None, **{"evaluation.json": json.dumps(EVALUATION).encode()})
    target.endpoints.key = lambda _name: KEY  # type: ignore[method-assign]
    for name in ("ferries-1", "off-endpoint", "dead-endpoint"):
        deployments.create(name, model.ref)
        running = target.endpoints.make_ready(name)
        target.endpoints.endpoints[name] = replace(running, url=small.url)
    deployments.stop("off-endpoint")
    target.endpoints.make_fail("dead-endpoint")
    return Desk(
        settings=settings,
        targets={target.name: target},
        target=target,
        datasets=datasets,
        training=training,
        deployments=deployments,
        chatting=Chatting(target, settings.database),
        evaluation=evaluation,
    )


def main() -> int:
    with ExitStack() as stack:
        small = SmallEndpoint()
        small.pieces = Pieces(small)
        stack.enter_context(serve(small))
        bootstrap.build = lambda settings=None: build(settings, small)  # type: ignore[assignment]
        from streamlit_app.__main__ import main as start

        return start()


if __name__ == "__main__":
    sys.exit(main())
