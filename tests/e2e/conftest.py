"""One browser and one real app for the module; a signed-in page for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.app_process import AppProcess
from tests.e2e.browser import NoBrowser, launch
from tests.e2e.desk_page import DeskPage, desk_page

expect.set_options(timeout=30_000)  # a busy machine is slow; what never comes fails all the same


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            found = launch(playwright)
        except NoBrowser as error:
            if os.environ.get("REQUIRE_BROWSER") == "1":
                pytest.fail(str(error))
            pytest.skip(str(error))
        yield found
        found.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("phidesk")


@pytest.fixture(scope="module")
def app(home: Path) -> Iterator[AppProcess]:
    with AppProcess(home) as running:
        yield running


@pytest.fixture
def desk(browser: Browser, app: AppProcess) -> Iterator[DeskPage]:
    with desk_page(browser, app) as page:
        yield page
