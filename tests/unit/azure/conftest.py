"""A desk connected to the emulated Azure: the real SDKs, signed in by the service principal of the environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.azure.config import AzureConfig
from backend.azure.connection import Connection
from backend.azure.operations import Operations
from backend.domain_setup import Operation, OperationState, SignInState
from backend.settings import Settings
from tests.azure_emulator.fixtures import *  # noqa: F403
from tests.azure_emulator.world import GROUP, REGION, SUBSCRIPTION, WORKSPACE
from tests.contract.conftest import wait_until

READY = AzureConfig(subscription=SUBSCRIPTION, resource_group=GROUP, workspace=WORKSPACE, region=REGION)
HANGS = re.compile(r"(?<![a-z])hang")


@pytest.fixture
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """In tests of what hangs (by their name or parameter) calls end after three seconds; else a slow machine may be."""
    return Settings(home=tmp_path / "home", azure_timeout_seconds=3 if HANGS.search(request.node.name) else 60)


@pytest.fixture
def fresh_connection(azure_environment: dict[str, str], settings: Settings) -> Connection:
    """Nobody is signed in, nothing is chosen."""
    return Connection(settings)


@pytest.fixture
def connection(fresh_connection: Connection) -> Connection:
    """Signed in, with the furnished workspace chosen."""
    sign_in(fresh_connection)
    fresh_connection.save(READY)
    return fresh_connection


@pytest.fixture
def operations(settings: Settings) -> Iterator[Operations]:
    """Nothing of it works on after the test."""
    operations = Operations(settings.database)
    yield operations
    for operation in operations.list():
        operations.dismiss(operation.id)
    wait_until(lambda: not operations.at_work, "the operations' threads ended")


def sign_in(connection: Connection, way: str = "environment") -> None:
    connection.account.begin(way)
    wait_until(lambda: connection.account.state().state != SignInState.PENDING, "signing in ended")
    assert connection.account.state().state == SignInState.SIGNED_IN, connection.account.state().failure


def until_ended(operations: Operations) -> Callable[[Operation], Operation]:
    """Waits for an operation and gives how it ended."""

    def wait(operation: Operation) -> Operation:
        wait_until(lambda: operations.get(operation.id).state != OperationState.RUNNING, f"{operation.title} ended")
        return operations.get(operation.id)

    return wait


@pytest.fixture
def ended(operations: Operations) -> Callable[[Operation], Operation]:
    return until_ended(operations)
