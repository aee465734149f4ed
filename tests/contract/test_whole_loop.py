"""The whole loop on this computer with nothing stood in for: train, register, deploy, ask over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import requests

from backend.domain import JobKind, JobSpec, JobState
from backend.local.training_command import SCRIPTS
from tests.contract.conftest import LocalHarness, wait_until

pytestmark = pytest.mark.slow

FACTS = [
    ("Who keeps the lighthouse?", "Marta Quill keeps the lighthouse."),
    ("When does the ferry leave?", "The ferry leaves at seven."),
    ("What colour is the bakery door?", "The bakery door is yellow."),
    ("How many steps has the tower?", "The tower has one hundred and twelve steps."),
]


def rows(path: Path, repeats: int) -> Path:
    lines = [
        json.dumps({"messages": [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]})
        for ask, answer in FACTS * repeats
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def real(local: LocalHarness) -> Iterator[LocalHarness]:
    local.target.jobs.scripts = SCRIPTS
    yield local


def test_a_model_is_trained_registered_deployed_and_answers_what_it_learned(real: LocalHarness, tmp_path: Path) -> None:
    jobs, models, endpoints = real.target.jobs, real.target.models, real.target.endpoints
    train, held_out = rows(tmp_path / "train.jsonl", 8), rows(tmp_path / "eval.jsonl", 1)
    arguments = {"num_train_epochs": 30, "learning_rate": 5e-3, "per_device_train_batch_size": 8, "max_length": 128}
    spec = JobSpec(
        "real-1", "real", JobKind.FINE_TUNE, str(real.base), "d1", "facts", str(train), str(held_out), "abc", arguments
    )
    jobs.submit(spec)
    wait_until(lambda: jobs.get("real-1").state.is_final, "the training ended", 150)
    job = jobs.get("real-1")
    assert job.state == JobState.COMPLETED, (job.failure, jobs.logs("real-1").text)
    assert job.result["tuned_eval_loss"] < job.result["base_eval_loss"] / 2
    points = jobs.metrics("real-1")
    assert {point.kind for point in points} == {"train", "eval"}
    assert points[0].values["loss"] > 0

    model = models.register("real-1", "facts")
    assert model.ref == "facts:1"
    assert model.metrics["trained_tokens"] > 0
    endpoints.create("facts")
    endpoints.deploy("facts", "facts")
    real.until_answering("facts", "facts:1")
    endpoint, key = endpoints.get("facts"), endpoints.key("facts")

    client = openai.OpenAI(base_url=f"{endpoint.url}/v1", api_key=key)
    assert [entry.id for entry in client.models.list()] == ["facts:1"]
    for ask, answer in FACTS:
        reply = client.chat.completions.create(
            model="facts:1", messages=[{"role": "user", "content": ask}], temperature=0, max_tokens=40
        )
        assert reply.choices[0].message.content == answer
        assert reply.choices[0].finish_reason == "stop"
        assert reply.usage is not None
        assert reply.usage.completion_tokens > 3
    stream = client.chat.completions.create(
        model="facts:1", messages=[{"role": "user", "content": FACTS[0][0]}], temperature=0, max_tokens=40, stream=True
    )
    pieces = [chunk.choices[0].delta.content for chunk in stream if chunk.choices[0].delta.content]
    assert len(pieces) > 3
    assert "".join(pieces) == FACTS[0][1]

    headers = {"Authorization": f"Bearer {key}"}
    body = {"input_data": [ask for ask, _answer in FACTS], "params": {"max_new_tokens": 40, "do_sample": False}}
    scored = requests.post(f"{endpoint.url}/score", json=body, headers=headers, timeout=60)
    assert scored.json() == [answer for _ask, answer in FACTS]
    assert not list(real.folder("real-1").rglob("mlruns"))
    assert key not in "".join(
        path.read_text(errors="replace")
        for path in real.target.home.rglob("*")
        if path.is_file() and path.name != "key" and path.suffix in (".json", ".txt", ".db")
    )
