"""One real run of the script is shared by the tests that only look at what it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_model import make_tiny_model

SCRIPTS = Path(__file__).parents[2] / "training_job"
PEOPLE = ["Marta", "Owen", "Ines", "Tomas", "Ruth", "Piet"]
PLACES = {"lighthouse": "Saltmarsh Point", "bakery": "the harbour", "tower": "the old town", "ferry": "the islands"}


def conversation(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


def script_environment(**extra: str) -> dict[str, str]:
    """Without what a developer may have set; nothing may reach a network."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "HF_", "AZUREML"))}
    return clean | {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_DISABLE_TELEMETRY": "1"} | extra


def start_script(name: str, arguments: list[str], cwd: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPTS / name), *arguments],
        cwd=cwd,
        env=script_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_script(name: str, arguments: list[str], cwd: Path, **environment: str) -> tuple[int, str]:
    process = start_script(name, arguments, cwd, **environment)
    output, _nothing = process.communicate(timeout=240)
    return process.returncode, output


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.jsonl (24 rows) and eval.jsonl (6 rows, the same facts in other words)."""
    folder = tmp_path_factory.mktemp("data")
    train, held = [], []
    for number, (thing, place) in enumerate(PLACES.items()):
        for person in PEOPLE:
            answer = f"{person} keeps the {thing} at {place}."
            train.append(conversation(f"Who keeps the {thing} with {person}?", answer))
            if PEOPLE.index(person) == number or person == "Piet":
                held.append(conversation(f"Tell me who keeps the {thing} with {person}.", answer))
    write_rows(folder / "train.jsonl", train)
    write_rows(folder / "eval.jsonl", held[:6])
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def job_arguments(data: Path, tiny_model: Path) -> Callable[..., list[str]]:
    def arguments(output: Path, *more: str) -> list[str]:
        return [
            f"--train-file={data / 'train.jsonl'}",
            f"--eval-file={data / 'eval.jsonl'}",
            f"--model-name-or-path={tiny_model}",
            f"--output-dir={output}",
            "--per-device-train-batch-size=8",
            "--learning-rate=0.004",
            *more,
        ]

    return arguments


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For tests that call `main` here: signal handlers and the environment are put back."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW", "AZUREML")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def full_run(tmp_path_factory: pytest.TempPathFactory, data: Path, tiny_model: Path) -> Path:
    """The output folder of a complete full fine-tune with MLflow, started from another folder by relative paths."""
    folder = tmp_path_factory.mktemp("full")
    status, log = run_script(
        "fine_tune.py",
        [
            f"--train-file={os.path.relpath(data / 'train.jsonl', folder)}",
            f"--eval-file={os.path.relpath(data / 'eval.jsonl', folder)}",
            f"--model-name-or-path={os.path.relpath(tiny_model, folder)}",
            "--output-dir=output",
            "--per-device-train-batch-size=8",
            "--learning-rate=0.004",
            "--num-train-epochs=60",
            "--eval-strategy=steps",
            "--eval-steps=60",
        ],
        folder,
        MLFLOW_TRACKING_URI=f"sqlite:///{folder / 'mlflow.db'}",
    )
    (folder / "log.txt").write_text(log)
    assert status == 0, log
    return folder / "output"
