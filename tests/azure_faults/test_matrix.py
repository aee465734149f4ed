"""Every action meets every fault: it heals, or is told in words; repeated, it is done, and nothing is there twice."""

from __future__ import annotations

import itertools
import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.errors import PhiDeskError
from tests.azure_emulator.azurite import Azurite, Storage
from tests.azure_emulator.emulator import Emulator, start_emulator
from tests.azure_emulator.endpoints import serving
from tests.azure_emulator.fixtures import *  # noqa: F403
from tests.azure_emulator.proxy import Authority
from tests.azure_emulator.world import CLIENT_SECRET
from tests.azure_faults import serving as endpoints
from tests.azure_faults import training
from tests.azure_faults.actions import ACTIONS
from tests.azure_faults.case import NOT_KNOWN, RUN, Action, Case, desk
from tests.azure_faults.troubles import TROUBLES, Trouble
from tests.contract.waiting import wait_until

TABLE = os.environ.get("PHIDESK_FAULT_TABLE", "")
"""A file that gets a line of JSON for each cell, for `python -m tests.azure_faults`."""
HEALS, TOLD = "heals", "told"
CELLS = [(action, TROUBLES[name]) for action in ACTIONS for name in action.troubles]
NUMBERS = itertools.count()
SIGNATURE = re.compile(r"\bsig=[A-Za-z0-9%+/]{20}")
"""Of a signed address; "REDACTED" and "***" are shorter."""


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("data")
    for name in ("train", "eval"):
        row = {"messages": [{"role": "user", "content": name}, {"role": "assistant", "content": "Yes."}]}
        (folder / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    return str(folder / "train.jsonl"), str(folder / "eval.jsonl")


@pytest.fixture(scope="session")
def standing(
    authority: Authority, azurite: Azurite, files: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Emulator]:
    """A cloud for all actions that leave it as it was: a finished run, its model, an endpoint with two deployments."""
    folder = tmp_path_factory.mktemp("standing")
    storage = Storage(azurite)
    emulator = start_emulator(authority, folder=folder / "azure", azurite=storage)
    serving(emulator.world).echo = True
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        case = desk(folder / "home", emulator, files)
        training.complete(case)
        case.target.models.register(RUN, "harbour")
        endpoints.with_a_second(case)
        case.flows.connect("phi")
    yield emulator
    emulator.stop()
    storage.close()
    assert not emulator.complaints(), "\n".join(emulator.complaints())


@pytest.fixture
def case(
    action: Action, trouble: Trouble, files: tuple[str, str], tmp_path: Path, request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Case]:  # fmt: skip
    """A computer of its own, and a cloud of its own unless the action changes none."""
    emulator: Emulator = request.getfixturevalue("standing" if action.is_standing else "emulator")
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    serving(emulator.world).echo = True
    patience = 2.5 if "hang" in trouble.kind else 60
    case = desk(tmp_path / "home", emulator, files, number=next(NUMBERS), patience=patience)
    yield case
    emulator.faults.clear()
    for operation in case.target.operations.list():
        case.target.operations.dismiss(operation.id)
    wait_until(lambda: not case.target.operations.at_work, "the operations' threads ended")


@pytest.mark.parametrize(
    ("action", "trouble"), CELLS, ids=[f"{action.name}-{trouble.name}" for action, trouble in CELLS]
)
def test_it_heals_or_is_told_in_words_and_nothing_is_lost_or_made_twice(
    case: Case, action: Action, trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    action.before(case)
    details = {"times": -1 if trouble.is_lasting else 1} | trouble.details
    fault = case.emulator.faults.add(trouble.kind, action.path, method=action.method, host=action.host, **details)
    outcome, said = attempt(case, action)
    assert fault.hits, f"the trouble was never met: {said}"
    if trouble.heals and action.host == Action.host:
        assert outcome == HEALS, said
    if trouble.is_lasting and trouble.name != "404":
        assert outcome != HEALS, "a trouble that stays can't heal"
    if said is not None:
        assert said.what
        assert said.why or said.how_to_fix
        case.emulator.faults.clear()
        if trouble.name == "401":
            case.sign_in()
        again, why = attempt(case, action)
        assert again == HEALS, f"repeated: {why}\n{why.raw if why else ''}"
    case.emulator.faults.clear()
    action.left(case)
    check_secrets(case, f"{said} {said.raw if said else ''} {caplog.text}")
    if TABLE:
        with Path(TABLE).open("a") as file:
            file.write(json.dumps({"action": action.name, "column": trouble.column, "outcome": outcome}) + "\n")


def attempt(case: Case, action: Action) -> tuple[str, PhiDeskError | None]:
    try:
        return (NOT_KNOWN if action.do(case) == NOT_KNOWN else HEALS), None
    except PhiDeskError as error:
        return TOLD, error


def check_secrets(case: Case, said: str) -> None:
    """Nothing that a stranger must not read is said, logged, or kept in any file of the desk."""
    secrets = [CLIENT_SECRET, *case.emulator.world.login.access, *case.emulator.world.login.refresh]
    secrets += [key for keys in serving(case.emulator.world).keys.values() for key in keys.values()]
    kept = {path: path.read_bytes() for path in case.home.rglob("*") if path.is_file()}
    for secret in secrets:
        assert secret not in said
        assert not [path for path, content in kept.items() if secret.encode() in content]
    assert not SIGNATURE.search(said)
    assert not [path for path, content in kept.items() if SIGNATURE.search(content.decode(errors="replace"))]


def test_the_check_of_secrets_sees_them_in_files_and_words(
    emulator: Emulator, files: tuple[str, str], tmp_path: Path, azure_environment: dict[str, str]
) -> None:
    case = desk(tmp_path / "home", emulator, files)
    token = next(iter(emulator.world.login.access))
    check_secrets(case, "all is well")
    with pytest.raises(AssertionError):
        check_secrets(case, f"Bearer {token}")
    (case.home / "note").write_text(f"token {token}")
    with pytest.raises(AssertionError):
        check_secrets(case, "all is well")
