"""What needs no cloud: states, the growing log, and the documents that `az ml` and the SDK read."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml import load_environment, load_online_deployment, load_online_endpoint
from azure.ai.ml._restclient.v2022_02_01_preview.models import EndpointProvisioningState
from azure.ai.ml._restclient.v2023_04_01_preview.models import DeploymentProvisioningState
from hypothesis import given
from hypothesis import strategies as st

from backend.azure import serving
from backend.azure.endpoint_code import endpoint_files
from backend.azure.endpoint_facts import back_of, back_tag, hosting_of, hosting_values
from backend.azure.endpoint_logs import EndpointLog, unseen
from backend.azure.endpoint_names import deploying_words
from backend.azure.endpoint_state import (
    DEPLOYMENT_STATES,
    ENDPOINT_WORDS,
    DeploymentFacts,
    Work,
    deployment_state,
    endpoint_state,
)
from backend.domain import EndpointState, Failure, Hosting
from backend.domain_setup import ServingWay

WORKSPACE = "/subscriptions/s-1/resourceGroups/g-1/providers/Microsoft.MachineLearningServices/workspaces/w-1"
FAILURE = Failure("no_quota", "Deploying failed.", "No cores.", "Ask for more.")
GOING_ON = Work("deploy", "Azure prepares a machine.")


def facts(word: str, percent: int = 0, name: str = "blue") -> DeploymentFacts:
    return DeploymentFacts(name, word, percent)


def test_every_word_that_the_sdk_knows_has_a_state() -> None:
    assert {word.value.lower() for word in DeploymentProvisioningState} == set(DEPLOYMENT_STATES)
    assert {word.value.lower() for word in EndpointProvisioningState} == ENDPOINT_WORDS


def test_a_word_that_nobody_knows_is_unknown_and_not_failed() -> None:
    assert deployment_state("Meditating") is EndpointState.UNKNOWN
    assert endpoint_state("Succeeded", [facts("Meditating")], None)[0] is EndpointState.UNKNOWN
    assert endpoint_state("Meditating", [], None) == (EndpointState.UNKNOWN, "Meditating", None)


@pytest.mark.parametrize(
    ("word", "deployments", "work", "state"),
    [
        ("Creating", [], None, EndpointState.STOPPED),
        ("Succeeded", [], None, EndpointState.STOPPED),
        ("Succeeded", [], GOING_ON, EndpointState.CREATING),
        ("Succeeded", [facts("Creating")], GOING_ON, EndpointState.CREATING),
        ("Succeeded", [facts("Creating")], None, EndpointState.CREATING),
        ("Succeeded", [facts("Succeeded", 100)], None, EndpointState.RUNNING),
        ("Updating", [facts("Succeeded", 100)], None, EndpointState.RUNNING),
        ("Succeeded", [facts("Updating", 100)], None, EndpointState.RUNNING),
        ("Succeeded", [facts("Succeeded", 100), facts("Creating", name="green")], GOING_ON, EndpointState.RUNNING),
        ("Succeeded", [facts("Succeeded", 100)], Work("deploy", "", FAILURE), EndpointState.RUNNING),
        ("Succeeded", [], Work("deploy", "", FAILURE), EndpointState.FAILED),
        ("Failed", [], None, EndpointState.FAILED),
        ("Succeeded", [facts("Failed")], None, EndpointState.FAILED),
        ("Succeeded", [facts("Succeeded")], None, EndpointState.STOPPED),
        ("Succeeded", [facts("Succeeded", 100)], Work("stop", "Stopping."), EndpointState.STOPPED),
        ("Deleting", [], Work("delete", "Deleting."), EndpointState.STOPPED),
    ],
)
def test_the_state_of_an_endpoint_follows_from_azures_words_and_our_work(
    word: str, deployments: list[DeploymentFacts], work: Work | None, state: EndpointState
) -> None:
    assert endpoint_state(word, deployments, work)[0] is state


def test_a_failed_deployment_beside_a_running_one_is_no_failure_of_the_endpoint() -> None:
    found = endpoint_state("Succeeded", [facts("Succeeded", 100)], Work("deploy", "", FAILURE))
    assert found == (EndpointState.RUNNING, "Succeeded", None)


@given(st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=12), st.integers(0, 12), st.integers(1, 12))
def test_a_log_that_is_seen_through_a_window_is_joined_without_a_gap(lines: list[str], cut: int, window: int) -> None:
    """Numbered, so that lines differ: what was kept, then a later window that overlaps it."""
    numbered = [f"{place} {line}" for place, line in enumerate(lines)]
    kept = numbered[:cut]
    shown = numbered[max(0, min(cut, len(numbered)) - 1) :][: window + len(numbered)]
    assert kept + unseen(kept, shown) == numbered


def test_a_line_that_was_caught_half_written_comes_whole() -> None:
    assert unseen(["one", "tw"], ["one", "two", "three"]) == ["two", "three"]


def test_the_log_of_an_endpoint_only_grows_and_keeps_what_azure_forgot(tmp_path: Path) -> None:
    log = EndpointLog(tmp_path / "logs" / "phi.log")
    state = "Instance status:\nSystemSetup: InProgress\n\nContainer logs:\n"
    log.add("blue", state + "one\ntwo\n")
    first = log.read(None)
    assert first.text == "== blue ==\none\ntwo\n"
    log.add("blue", state.replace("InProgress", "Succeeded") + "two\nthree\n")
    log.add("blue", "")
    rest = log.read(first.end)
    assert (rest.text, rest.start) == ("three\n", first.end)
    log.add("green", "fresh\n")
    log.add("blue", "three\nfour\n")
    assert log.read(0).text == "== blue ==\none\ntwo\nthree\n== green ==\nfresh\n== blue ==\nthree\nfour\n"
    assert log.read(10**9).text == ""


def test_a_token_in_a_containers_log_is_not_kept(tmp_path: Path) -> None:
    log = EndpointLog(tmp_path / "phi.log")
    log.add("blue", "GET /?sig=abcdef&x=1 with Authorization: Bearer sk-123456789012\n")
    assert "abcdef" not in log.read(0).text
    assert "sk-1234" not in log.read(0).text


HOSTING = Hosting("Standard_NC24ads_A100_v4", 2, 4, "vllm", False, datetime(2026, 12, 1, 8, tzinfo=UTC))


def test_a_wish_survives_the_operations_table_and_a_tag() -> None:
    assert hosting_of(hosting_values(HOSTING)) == HOSTING
    tag = back_tag("blue", "azureml://registries/azureml/models/" + "m" * 64 + "/versions/12", HOSTING, 30)
    assert all(len(value) <= 256 for value in tag.values())
    ((name, model, percent, hosting),) = back_of({"tags": tag | {"other": "tag"}})
    assert (name, percent, model[-3:]) == ("blue", 30, "/12")
    assert (hosting.size, hosting.instances, hosting.max_instances, hosting.serving) == (HOSTING.size, 2, 4, "vllm")


def way(model: str, base: str = "", wanted: str = "") -> ServingWay:
    ways = serving.ways_to_serve(model, base)
    return next(each for each in ways if each.id == wanted) if wanted else ways[0]


def test_a_model_of_the_catalogue_is_told_by_its_name() -> None:
    address = "azureml://registries/azureml/models/Phi-4-mini-instruct/versions/1"
    assert deploying_words(address, "phi-1") == "Deploying Phi-4-mini-instruct to phi-1"
    assert deploying_words("harbour:2", "phi-1") == "Deploying harbour:2 to phi-1"


def test_each_kind_of_model_has_its_ways_and_contracts() -> None:
    def of(model: str, base: str = "") -> list[tuple[str, str]]:
        return [(each.id, each.contract) for each in serving.ways_to_serve(model, base)]

    assert of("harbour:2", "microsoft/Phi-3-mini-4k-instruct") == [("mlflow", "mlflow"), ("vllm", "openai")]
    assert of("harbour:2", "azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/13") == [
        ("mlflow", "foundry")
    ]
    assert of("azureml://registries/azureml/models/Phi-4-mini-instruct/versions/1") == [("mlflow", "foundry")]
    assert of("microsoft/Phi-3-mini-4k-instruct") == [("vllm", "openai")]


def files_of(model: str, wanted: str, hosting: Hosting, tmp_path: Path) -> dict[str, Any]:
    """As a person would save them."""
    chosen = way(model, wanted=wanted)
    endpoint = serving.endpoint_document("my-phi", identity=f"{WORKSPACE}/identity", delete_at="2026-12-01T08:00:00Z")
    deployment = serving.deployment_document(
        "my-phi", "blue", model, f"azureml:{model}", chosen, hosting, {"UAI_CLIENT_ID": "c-1"}
    )
    files = endpoint_files(endpoint, deployment, chosen, hosting, WORKSPACE)
    for file in files:
        assert file.text.endswith("\n") and file.help
        (tmp_path / file.name).write_text(file.text)
    return {file.name: file.text for file in files}


def test_the_no_code_deployment_is_the_tutorials(tmp_path: Path) -> None:
    files = files_of("harbour:2", "mlflow", Hosting("Standard_E4s_v3"), tmp_path)
    endpoint = load_online_endpoint(tmp_path / "endpoint.yml")
    assert (endpoint.name, endpoint.auth_mode, endpoint.identity.type) == ("my-phi", "key", "user_assigned")
    assert endpoint.tags["phidesk-delete-at"] == "2026-12-01T08:00:00Z"
    made = load_online_deployment(tmp_path / "deployment.yml")
    assert (made.name, made.instance_type, made.instance_count) == ("blue", "Standard_E4s_v3", 1)
    assert made.model.endswith("harbour:2")
    assert made.environment is None
    for probe in (made.liveness_probe, made.readiness_probe):
        assert (probe.initial_delay, probe.period, probe.failure_threshold) == (500, 100, 30)
    request = made.request_settings
    assert (request.max_concurrent_requests_per_instance, request.request_timeout_ms) == (3, 180_000)
    assert request.max_queue_wait_ms == 120_000
    assert made.environment_variables == {"UAI_CLIENT_ID": "c-1"}
    commands = files["deploy.az.sh"].splitlines()
    assert [line.split()[2:4] for line in commands] == [["online-endpoint", "create"], ["online-deployment", "create"]]
    assert "--all-traffic" in commands[1]
    assert all("--workspace-name w-1" in line and "--resource-group g-1" in line for line in commands)


def test_the_vllm_deployment_has_its_container_routes_and_bounds(tmp_path: Path) -> None:
    files = files_of("harbour:2", "vllm", HOSTING, tmp_path)
    made = load_online_deployment(tmp_path / "deployment.yml")
    environment = load_environment(tmp_path / "environment.yml")
    assert made.environment == f"{environment.name}:{environment.version}"
    assert environment.inference_config["scoringRoute"] == {"port": 8000, "path": "/v1/chat/completions"}
    assert made.environment_variables["SERVED_NAMES"] == "my-phi harbour:2"
    assert serving.VLLM_IMAGE in files["Dockerfile"]
    assert ":latest" not in files["Dockerfile"]
    assert "--min-count 2 --max-count 4" in files["deploy.az.sh"]
    assert "--all-traffic" not in files["deploy.az.sh"]


def test_the_published_flow_is_deployed_as_microsoft_documents_it() -> None:
    chosen = serving.way_of(serving.FLOW, serving.FLOW)
    document = serving.deployment_document(
        "my-phi-flow", "blue", "my-phi", "azureml:f:1", chosen, Hosting(), {}, workspace=WORKSPACE
    )
    variables = document["environment_variables"]
    assert variables["PROMPTFLOW_RUN_MODE"] == "serving"
    assert variables["phidesk_endpoint"] == "my-phi"
    assert "deployment.workspace_name=w-1,deployment.endpoint_name=my-phi-flow" in variables["PRT_CONFIG_OVERRIDE"]
    assert document["environment"]["inference_config"]["scoring_route"] == {"port": 8080, "path": "/score"}
    flow = yaml.safe_load((Path(__file__).parents[3] / "flows" / "chat" / "flow.dag.yaml").read_text())
    assert flow["nodes"][0]["inputs"]["connection"] == serving.FLOW_CONNECTION


@pytest.fixture
def started(tmp_path: Path) -> Any:
    """Runs the container's start script with a `vllm` that writes down how it was called."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "vllm").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/called\n')
    gpus = 'case "$1" in -L) echo "GPU 0"; echo "GPU 1";; *) echo 8.0; echo 8.0;; esac'
    (programs / "nvidia-smi").write_text(f"#!/bin/sh\n{gpus}\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    script = tmp_path / "start.sh"
    script.write_text(serving.VLLM_START)

    def run(**variables: str) -> list[str]:
        environment = {"PATH": f"{programs}:{os.environ['PATH']}", "SERVED_NAMES": "my-phi harbour:2", **variables}
        subprocess.run(["sh", str(script)], env=environment, check=True, timeout=30)
        return (tmp_path / "called").read_text().splitlines()

    return run


def test_the_container_finds_weights_and_tokenizer_wherever_the_models_format_put_them(
    started: Any, tmp_path: Path
) -> None:
    model = tmp_path / "azureml-models" / "harbour" / "2"
    for file in ("model/model/config.json", "model/components/tokenizer/tokenizer_config.json"):
        (model / file).parent.mkdir(parents=True)
        (model / file).write_text("{}")
    called = started(AZUREML_MODEL_DIR=str(model))
    assert called[:4] == ["serve", f"{model}/model/model", "--tokenizer", f"{model}/model/components/tokenizer"]
    assert called[4:7] == ["--served-model-name", "my-phi", "harbour:2"]
    options = dict(zip(called[7::2], called[8::2], strict=True))
    assert (options["--max-model-len"], options["--dtype"], options["--tensor-parallel-size"]) == ("4096", "auto", "2")


def test_a_model_with_a_short_memory_and_a_gpu_without_bfloat16_are_served_as_they_can(
    started: Any, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 512}')
    (tmp_path / "tokenizer_config.json").write_text("{}")
    (tmp_path / "bin" / "nvidia-smi").write_text('#!/bin/sh\n[ "$1" = -L ] && echo "GPU 0: T4" || echo 7.5\n')
    called = started(AZUREML_MODEL_DIR=str(tmp_path))
    options = dict(zip(called[7::2], called[8::2], strict=True))
    assert (options["--max-model-len"], options["--dtype"], options["--tensor-parallel-size"]) == ("512", "half", "1")


def test_the_container_fetches_a_model_of_the_hub_by_its_id(started: Any) -> None:
    called = started(MODEL="microsoft/Phi-4-mini-instruct")
    assert called[1:4] == ["microsoft/Phi-4-mini-instruct", "--tokenizer", "microsoft/Phi-4-mini-instruct"]
