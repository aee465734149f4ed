"""Starts the real app over the small cloud. Files in the workspace folder are what the cloud does:
`let-in` signs the person in, `finish` ends the long operations.

With PHIDESK_FILLED=1 it is connected and full: runs, two deployments, an endpoint past its end, operations.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backend import bootstrap
from backend.bootstrap import Desk
from backend.domain import Hosting, Machine
from backend.domain_setup import Operation, OperationState, Option, SignIn, SignInState
from backend.settings import Settings
from tests.fake_cloud import A100, CPU, FakeCloud
from tests.fake_cloud_setup import FakeSetup
from tests.fakes import FakeTarget
from tests.flows.small_endpoint import KEY, SmallEndpoint, serve

HOSTILE = "![x](http://evil.example/x.png) [y](http://evil.example/) **z**"


class MovedByFiles(FakeSetup):
    world: Path

    def sign_in_state(self) -> SignIn:
        if self.state.state is SignInState.PENDING and (self.world / "let-in").exists():
            self.let_in()
        return self.state

    def operations(self) -> Sequence[Operation]:
        if (self.world / "finish").exists():
            for one in list(self.ongoing.all.values()):
                if one.state is OperationState.RUNNING:
                    self.ongoing.finish(one.id)
        return super().operations()


def build(settings: Settings | None, small: SmallEndpoint) -> Desk:
    settings = settings or Settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    here, cloud = FakeTarget(), FakeCloud()
    here.title = "This computer"
    cloud.title = "Cloud Machine Learning"
    setup = MovedByFiles(cloud.ongoing)
    setup.world = settings.home
    cloud.setup = setup
    targets = {"fake": here, "cloud": cloud}
    if os.environ.get("PHIDESK_FILLED"):
        desk = bootstrap.assemble(settings, targets, cloud)  # type: ignore[arg-type]
        fill(desk, cloud, small)
        return desk
    return bootstrap.assemble(settings, targets, here)  # type: ignore[arg-type]


def fill(desk: Desk, cloud: FakeCloud, small: SmallEndpoint) -> None:
    cloud.clock.moment = datetime.now(UTC) - timedelta(minutes=40)
    cloud.setup.options["subscription"].append(Option("sub-9", HOSTILE, HOSTILE))
    cloud.connect()
    dataset = next(iter(desk.datasets.list()), None) or desk.datasets.create_from_sample()
    machine = Machine(A100.name, nodes=2, cluster="gpu-cluster")
    for number, name in enumerate(("Waiting", "Running", "Finished")):
        spec = desk.training.spec(name, dataset.id, "phidesk/tiny-phi3", machine=machine)
        desk.training.start(replace(spec, id=f"run-{number}"))
    cloud.jobs.advance("run-1", 12)
    running = cloud.jobs.runs["run-1"]
    running.job = replace(running.job, heartbeat_at=datetime.now(UTC) + timedelta(days=1), detail="Running on 2 nodes")
    cloud.jobs.complete("run-2")
    model = desk.training.register("run-2", "ferries")
    cloud.endpoints.key = lambda name: KEY  # type: ignore[method-assign]
    soon = datetime.now(UTC) + timedelta(hours=7)
    hosting = Hosting(A100.name, 1, 3, "vllm", expires_at=soon)
    desk.deployments.create("ferries-1", model.ref, hosting=hosting)
    cloud.endpoints.make_ready("ferries-1")
    desk.deployments.create("ferries-1", model.ref, "green", Hosting(CPU.name, serving="plain", takes_traffic=False))
    cloud.endpoints.make_ready("ferries-1", "green")
    desk.deployments.create("whole-answers", model.ref, hosting=Hosting(CPU.name, serving="plain", expires_at=soon))
    cloud.endpoints.make_ready("whole-answers")
    late = datetime.now(UTC) - timedelta(minutes=20)
    desk.deployments.create("past-its-end", model.ref, hosting=Hosting(CPU.name, serving="plain", expires_at=late))
    cloud.endpoints.make_ready("past-its-end")
    for name in ("ferries-1", "whole-answers", "past-its-end"):
        made = cloud.endpoints.endpoints[name]
        contract = "openai" if name == "ferries-1" else "mlflow"
        cloud.endpoints.endpoints[name] = replace(made, url=small.url, contract=contract)
    cloud.ongoing.fail(cloud.setup.create("workspace", {"name": "refused"}).id)
    cloud.ongoing.step_on(cloud.setup.create("workspace", {"name": "in-progress"}).id, HOSTILE)


def main() -> int:
    with ExitStack() as stack:
        small = SmallEndpoint()
        stack.enter_context(serve(small))
        made: list[Desk] = []

        def build_once(settings: Settings | None = None) -> Desk:
            if not made:
                made.append(build(settings, small))
            return made[0]

        bootstrap.build = build_once  # type: ignore[assignment]
        from streamlit_app.__main__ import main as start

        return start()


if __name__ == "__main__":
    sys.exit(main())
