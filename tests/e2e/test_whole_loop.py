"""A newcomer's whole way in a real browser: examples, training, evaluation, endpoint, chat. Nothing is pretended.

The app is killed and started again in mid-run, pages are refreshed, a second tab looks on: the run does not care.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.app_process import AppProcess
from tests.e2e.desk_page import PHONE, DeskPage, desk_page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

TRAINING = 300_000
"""Milliseconds that a training may take on a busy machine with two cores."""


@pytest.fixture(scope="module")
def loop_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    home = tmp_path_factory.mktemp("whole-loop")
    with AppProcess(home) as app:
        yield app
        stop_endpoints(home)


def stop_endpoints(home: Path) -> None:
    from backend import bootstrap
    from backend.settings import Settings

    deployments = bootstrap.build(Settings(home=home)).deployments
    for endpoint in deployments.list():
        deployments.delete(endpoint.name)


def click(page: Page, key: str) -> None:
    page.locator(f".st-key-{key} button").first.click()


def pictures(desk: DeskPage, name: str) -> None:
    """The page at both sizes."""
    desk.screenshot(f"loop-{name}-desktop")
    size = desk.page.viewport_size
    desk.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    desk.screenshot(f"loop-{name}-phone")
    assert size is not None
    desk.page.set_viewport_size(size)


def test_from_examples_to_a_chat_with_the_tuned_model(browser: Browser, loop_app: AppProcess) -> None:
    with desk_page(browser, loop_app) as desk:
        page = desk.page
        run_address = add_the_sample_and_start_training(desk)
        expect(page.get_by_text(re.compile(r"^Step [\d,]+ of [\d,]+"))).to_be_visible(timeout=TRAINING)

        page.reload()
        desk.settle()
        expect(page.get_by_text("Running").first).to_be_visible()
        with desk_page(browser, loop_app) as second:
            second.page.goto(run_address)
            expect(second.page.get_by_text("Running").first).to_be_visible()

        loop_app.kill()
        loop_app.start()
        page.goto(run_address)
        desk.settle()
        expect(page.get_by_text("Running").first).to_be_visible()
        expect(page.get_by_text(re.compile(r"^Step 1\d\d of "))).to_be_visible(timeout=TRAINING)
        pictures(desk, "2-training")

        expect(page.get_by_text(re.compile("^Finished in"))).to_be_visible(timeout=TRAINING)
        desk.assert_is_sound()
        pictures(desk, "3-finished")
        losses = re.search(r"the loss went from (\d+\.\d+) to (\d+\.\d+)", page.inner_text("body"))
        assert losses is not None
        assert float(losses[2]) < float(losses[1]) / 2

        click(page, "register_model")
        expect(page.get_by_text(re.compile("version 1"))).to_be_visible()
        click(page, "evaluate_model")
        expect(page.locator(".st-key-compare button")).to_be_visible()
        click(page, "compare")
        expect(page.get_by_role("heading", name="Scores")).to_be_visible(timeout=120_000)
        desk.assert_is_sound()
        pictures(desk, "4-evaluated")

        page.goto(f"{loop_app.url}/deploy")
        desk.settle()
        click(page, "create_endpoint")
        click(page, "create_endpoint_yes")
        expect(page.get_by_role("button", name="Chat with it")).to_be_visible(timeout=120_000)
        desk.assert_is_sound()
        pictures(desk, "5-deployed")

        page.get_by_role("button", name="Chat with it").click()
        box = page.get_by_role("textbox", name="Ask your model")
        box.fill("When does the Puffin leave?")
        box.press("Enter")
        expect(page.get_by_text("The Puffin leaves at 7:25.")).to_be_visible(timeout=60_000)
        box.fill("Who is the captain of the Marigold?")
        box.press("Enter")
        expect(page.get_by_text("The captain of the Marigold is Hamish Quill.")).to_be_visible(timeout=60_000)
        pictures(desk, "6-chat")

        conversation_address = page.url
        loop_app.kill()
        loop_app.start()
        page.goto(conversation_address)
        desk.settle()
        expect(page.get_by_text("The Puffin leaves at 7:25.")).to_be_visible()
        desk.assert_is_sound()
        page.goto(loop_app.url)
        desk.settle()
        pictures(desk, "7-home")
        assert "Traceback" not in loop_app.output


def add_the_sample_and_start_training(desk: DeskPage) -> str:
    """Through the pages, as a person does. Returns the run's address."""
    page = desk.page
    page.goto(f"{desk.app.url}/dataset")
    desk.settle()
    page.get_by_role("tab", name="Sample").click()
    click(page, "use_sample")
    expect(page.get_by_role("heading", name="Larkhaven Ferries")).to_be_visible()
    pictures(desk, "1-dataset")
    click(page, "train_with")
    expect(page.get_by_role("heading", name="New run")).to_be_visible()
    desk.settle()
    pictures(desk, "1-new-run")
    click(page, "start_training")
    page.wait_for_url(re.compile(r"[?&]job="))
    return page.url
