"""Pages over the fake target, with the real services and a workspace folder of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from backend import bootstrap
from backend.bootstrap import Desk
from backend.chatting import Chatting
from backend.datasets import Datasets
from backend.deployments import Deployments
from backend.domain import BUILT_IN_MODEL, JobSpec, Model
from backend.evaluation import Evaluation
from backend.settings import Settings
from backend.training import Training
from tests.fake_cloud import FakeCloud
from tests.fakes import FakeTarget

ROOT = Path(__file__).parent.parent.parent
APP = ROOT / "streamlit_app" / "app.py"
WEIGHTS = ROOT / "backend" / "local" / "base_model" / "weights"

Open = Callable[..., AppTest]


class FakeDesk(Desk):
    """The real services over `FakeTarget`; `target` is typed so that tests can move its world on."""

    target: FakeTarget  # type: ignore[assignment]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDesk]:
    monkeypatch.setenv("PHIDESK_HOME", str(tmp_path))
    settings = Settings(home=tmp_path)
    target = FakeTarget()
    target.title = "This computer"
    datasets = Datasets(settings.datasets_folder, resolve=lambda base: str(WEIGHTS) if base == BUILT_IN_MODEL else base)
    built = FakeDesk(
        settings=settings,
        targets={target.name: target},
        target=target,
        datasets=datasets,
        training=Training(target, datasets),
        deployments=Deployments(target),
        chatting=Chatting(target, settings.database),
        evaluation=Evaluation(target, datasets),
    )
    monkeypatch.setattr(bootstrap, "build", lambda settings=None: built)
    st.cache_resource.clear()
    st.cache_data.clear()
    yield built
    st.cache_resource.clear()
    st.cache_data.clear()


class CloudDesk(Desk):
    target: FakeCloud  # type: ignore[assignment]


@pytest.fixture
def cloud(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> CloudDesk:
    """The same workspace over a cloud that nobody has signed in to yet; the computer is there too."""
    target = FakeCloud()
    built = CloudDesk(**vars(bootstrap.assemble(desk.settings, {"fake": desk.target, "cloud": target}, target)))
    monkeypatch.setattr(bootstrap, "build", lambda settings=None: built)
    return built


@pytest.fixture
def connected(cloud: CloudDesk) -> CloudDesk:
    cloud.target.connect()
    return cloud


@pytest.fixture
def cloud_model(connected: CloudDesk) -> Model:
    """A finished run's model in the cloud."""
    dataset = connected.datasets.create_from_sample()
    job = connected.training.start(connected.training.spec("Ferry run", dataset.id, "phidesk/tiny-phi3"))
    connected.target.jobs.complete(job.id)
    return connected.training.register(job.id, "ferries")


@pytest.fixture
def open_page(desk: FakeDesk) -> Open:
    """`open_page("train", job="ab")` runs that page with those query parameters."""

    def open_it(name: str = "home", **query_params: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=30).run()
        for key, value in query_params.items():
            app.query_params[key] = value
        return app.switch_page(f"app_pages/{name}.py").run()

    return open_it


@pytest.fixture
def sample(desk: FakeDesk) -> str:
    return desk.datasets.create_from_sample().id


@pytest.fixture
def spec(desk: FakeDesk, sample: str) -> JobSpec:
    return desk.training.spec("Ferry run", sample, "phidesk/tiny-phi3")


@pytest.fixture
def model(desk: FakeDesk, spec: JobSpec) -> Model:
    desk.training.start(spec)
    desk.target.jobs.complete(spec.id)
    return desk.training.register(spec.id, "ferries")


def texts(app: AppTest) -> str:
    """Everything a person could read on the page, for looking up sentences."""
    kinds = (app.title, app.header, app.caption, app.markdown, app.info, app.warning, app.error, app.success, app.text)
    parts = [element.value for kind in kinds for element in kind]
    parts += [button.label for button in app.button]
    parts += [str(element.proto.title) for kind in (app.error, app.warning) for element in kind]
    return "\n".join(str(part) for part in parts).replace("\\", "").replace("\u2060", "")


def primary_buttons(app: AppTest) -> list[Button]:
    """The filled buttons of the page. The status bar has none."""
    return [button for button in app.button if button.proto.type == "primary"]


__all__ = ["APP", "CloudDesk", "FakeDesk", "Open", "primary_buttons", "texts"]
