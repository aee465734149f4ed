"""Which browser drives the tests: $CHROMIUM, then Chromium or Chrome on PATH, then Playwright's own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Error, Playwright

SWITCHES = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-dev-shm-usage",
]
ON_PATH = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class NoBrowser(Exception):
    """None was found; the message says how to get one."""


def executable() -> str | None:
    named = os.environ.get("CHROMIUM")
    if named:
        if not Path(named).is_file():
            raise NoBrowser(f"CHROMIUM names {named}, which is no file.")
        return named
    return next(filter(None, map(shutil.which, ON_PATH)), None)


def launch(playwright: Playwright) -> Browser:
    switches = list(SWITCHES)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        switches.append("--no-sandbox")
    try:
        return playwright.chromium.launch(executable_path=executable(), args=switches)
    except Error as error:
        raise NoBrowser(
            f"No browser for the tests: {error}. Install Chromium, or run: python -m playwright install chromium"
        ) from error
