"""Fixtures of the unit tests."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backend.cli.main import main


@pytest.fixture
def in_threads() -> Callable[[Callable[[], Any]], list[Any]]:
    """Calls a function from eight threads at once and gives what they returned."""

    def run(function: Callable[[], Any]) -> list[Any]:
        with ThreadPoolExecutor(8) as pool:
            return [future.result() for future in [pool.submit(function) for _ in range(8)]]

    return run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., tuple[int, Any]]:
    """Runs a command with --json in this process: exit status and the one object on standard output."""

    def call(*arguments: str) -> tuple[int, Any]:
        monkeypatch.setattr(sys, "argv", ["phidesk", *arguments, "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        output = capfdbinary.readouterr().out
        return int(ended.value.code or 0), json.loads(output) if output else None

    return call
