"""A browser page that reports what it should not do: requests to other hosts, errors in the console."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, WebSocket, expect

from tests.e2e.app_process import ROOT, AppProcess

DESKTOP = (1280, 800)
PHONE = (390, 844)
PAGES = ("", "setup", "dataset", "train", "evaluate", "deploy", "chat")
ARTEFACTS = ROOT / "test-artefacts"
OWN_SCHEMES = {"data", "blob", "about"}
HAS_FOLLOWED = """() => {
    const sidebar = document.querySelector("[data-testid=stSidebar]").getBoundingClientRect();
    const isMoving = move => move.playState === "running" && move.effect.getComputedTiming().endTime !== Infinity;
    return (sidebar.width > 0) === (innerWidth > 768) && !document.getAnimations().some(isMoving);
}"""


class DeskPage:
    def __init__(self, page: Page, app: AppProcess) -> None:
        self.page = page
        self.app = app
        self.foreign: list[str] = []
        self.console_errors: list[str] = []
        self._own = urlsplit(app.url).netloc
        page.on("request", self._note_request)
        page.on("websocket", self._note_socket)
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.console_errors.append(str(error)))

    def _note(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in OWN_SCHEMES and parts.netloc != self._own:
            self.foreign.append(address)

    def _note_request(self, request: Request) -> None:
        self._note(request.url)

    def _note_socket(self, socket: WebSocket) -> None:
        self._note(socket.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.console_errors.append(message.text)

    def open(self, path: str = "") -> None:
        """Open a page by its address, and wait until it has been drawn."""
        self.page.goto(f"{self.app.url}/{path}")
        self.settle()

    def settle(self, timeout: float = 90_000) -> None:
        """Until a title is there, the script has ended and nothing is being loaded any more."""
        expect(self.page.locator("h1").first).to_be_visible(timeout=timeout)
        expect(self.page.locator("[data-testid=stApp]")).to_have_attribute(
            "data-test-script-state", re.compile("notRunning"), timeout=timeout
        )
        expect(self.page.locator("[data-testid=stSkeleton]")).to_have_count(0, timeout=timeout)

    def resize(self, size: tuple[int, int]) -> None:
        """Make the window this large, and wait until the page has followed: its sidebar comes and goes."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.wait_for_function(HAS_FOLLOWED)

    def screenshot(self, name: str) -> Path:
        ARTEFACTS.mkdir(exist_ok=True)
        path = ARTEFACTS / f"{name}.png"
        self.page.screenshot(path=path, animations="disabled")
        return path

    def assert_is_sound(self) -> None:
        """No error box of an unexpected kind, no traceback, no other host."""
        assert self.page.locator("[data-testid=stException]").count() == 0, "a traceback is on the page"
        assert "Phi Desk hit an error of its own" not in self.page.inner_text("body")
        assert "Traceback" not in self.page.inner_text("body")
        assert self.foreign == [], f"requests to other hosts: {self.foreign}"


@contextmanager
def desk_page(
    browser: Browser, app: AppProcess, size: tuple[int, int] = DESKTOP, *, is_dark: bool = False
) -> Iterator[DeskPage]:
    """A page in a context of its own, signed in through the launch link. At its end: no request went elsewhere."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if is_dark else "light",
    )
    context.set_default_timeout(30_000)
    try:
        desk = DeskPage(context.new_page(), app)
        desk.page.goto(app.link)
        desk.settle()
        yield desk
        assert desk.foreign == [], f"requests to other hosts: {desk.foreign}"
    finally:
        context.close()
