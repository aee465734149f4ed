"""Fixtures of the emulated Azure; a conftest.py takes them in by `from tests.azure_emulator.fixtures import *`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.azure_emulator.azurite import Azurite, Storage, why_missing
from tests.azure_emulator.emulator import Emulator, start_emulator
from tests.azure_emulator.proxy import Authority
from tests.azure_emulator.world import World

__all__ = ["authority", "azure_environment", "azurite", "empty_emulator", "emulator", "world"]


@pytest.fixture(scope="session")
def authority() -> Iterator[Authority]:
    authority = Authority()
    yield authority
    authority.close()


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """One for the session: its accounts are handed out one by one, so that no cloud sees another's blobs."""
    reason = why_missing()
    if reason:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    azurite = Azurite().start()
    yield azurite
    azurite.stop()


@pytest.fixture
def emulator(authority: Authority, azurite: Azurite, tmp_path: Path) -> Iterator[Emulator]:
    """A fresh cloud with a workspace in it. Unknown hosts, crashes and bodies against the schemas fail the test."""
    yield from _run(authority, azurite, tmp_path, empty=False)


@pytest.fixture
def empty_emulator(authority: Authority, azurite: Azurite, tmp_path: Path) -> Iterator[Emulator]:
    """A fresh cloud with nothing but the subscriptions."""
    yield from _run(authority, azurite, tmp_path, empty=True)


def _run(authority: Authority, azurite: Azurite, folder: Path, empty: bool) -> Iterator[Emulator]:
    storage = Storage(azurite)
    emulator = start_emulator(authority, empty=empty, folder=folder / "azure", azurite=storage)
    try:
        yield emulator
    finally:
        emulator.stop()
        storage.close()
    assert not emulator.complaints(), "\n".join(emulator.complaints())


@pytest.fixture
def world(emulator: Emulator) -> World:
    return emulator.world


@pytest.fixture
def azure_environment(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """This test process itself talks to the emulator."""
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    return emulator.environment
