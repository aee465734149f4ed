"""A run as a document of `az ml`, and back from Azure's tags; measurements, logs and errors put in order."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml import load_job
from hypothesis import given
from hypothesis import strategies as st

from backend.azure.catalogue_job import catalogue_yaml, hyperparameters, make_catalogue_job
from backend.azure.command_job import Parts, command_yaml, model_source
from backend.azure.environments import TRAINING_JOB
from backend.azure.job_errors import explain_service_error
from backend.azure.job_logs import log_addresses
from backend.azure.job_metrics import (
    PROGRESS_TAG,
    TrackedRun,
    join_attempts,
    join_points,
    place_of,
    progress_of_lines,
    progress_of_tag,
)
from backend.azure.job_record import PIECE, job_properties, job_tags, read_record
from backend.azure.local_paths import LocalPaths
from backend.azure.times import moment
from backend.domain import BUILT_IN_MODEL, JobKind, JobSpec, JobState, Machine, MetricPoint
from backend.errors import BadInput
from backend.log_chunks import chunk_of

SPEC = JobSpec(
    id="20261121-061500-3fa2",
    name="Harbour words; rm -rf / 'quoted'",
    kind=JobKind.FINE_TUNE,
    base_model="microsoft/Phi-4-mini-instruct",
    dataset_id="d1",
    dataset_name="Grüße aus dem Hafen",
    train_path="/somewhere/train.jsonl",
    eval_path="/somewhere/eval.jsonl",
    dataset_sha256="abc",
    arguments={"learning_rate": 5e-6, "packing": True, "gradient_checkpointing": False, "max_steps": None},
    recipe="tutorial",
    machine=Machine(size="Standard_NC48ads_A100_v4", nodes=2, cluster="team-gpu", is_low_priority=True),
)
PARTS = Parts(
    str(TRAINING_JOB), "azureml:env:1", "team-gpu", 2, "azureml:t:1", "azureml:e:1", "microsoft/Phi-4-mini-instruct"
)
WHEN = datetime(2026, 11, 21, 6, 15, tzinfo=UTC)


def resource(spec: JobSpec, **facts: Any) -> dict[str, Any]:
    properties = {"jobType": "Command", "status": "Running", "tags": job_tags(spec, 3)}
    return {
        "name": f"{spec.id}-a3",
        "systemData": {"createdAt": "2026-11-21T07:00:00.1234567Z"},
        "properties": properties | {"properties": job_properties(spec, WHEN)} | facts,
    }


texts = st.text(min_size=1, max_size=60)


@given(
    name=texts,
    arguments=st.dictionaries(texts, st.one_of(st.none(), st.booleans(), st.integers(), texts), max_size=40),
    nodes=st.integers(1, 64),
)
def test_a_spec_comes_back_whole_from_azure(name: str, arguments: dict[str, Any], nodes: int) -> None:
    spec = replace(SPEC, name=name, arguments=arguments, machine=Machine(nodes=nodes, size="x"))
    made = job_properties(spec, WHEN)
    assert all(len(value) <= PIECE and value.isascii() for value in made.values())
    record = read_record(resource(spec))
    assert (record.spec, record.submitted_at, record.attempt, record.is_ours) == (
        replace(spec, train_path="", eval_path=""), WHEN, 3, True,
    )  # fmt: skip


def test_no_path_of_this_computer_is_sent_to_azure_and_here_they_are_known(tmp_path: Path) -> None:
    secret = tmp_path / "ada-lovelace"
    spec = replace(SPEC, train_path=f"{secret}/t.jsonl", eval_path=f"{secret}/e.jsonl", base_model=f"{secret}/my-phi")
    assert "ada-lovelace" not in str(resource(spec))
    seen = read_record(resource(spec)).spec
    assert (seen.train_path, seen.eval_path, seen.base_model) == ("", "", "my-phi")
    paths = LocalPaths(tmp_path / "runs")
    paths.keep(spec)
    assert paths.restore(seen) == spec
    assert LocalPaths(tmp_path / "another-computer").restore(seen) == seen
    assert paths.base_model(spec.id, "my-phi") == spec.base_model
    paths.forget(spec.id)
    assert paths.restore(seen) == seen


def test_a_job_that_somebody_else_began_has_its_display_name() -> None:
    record = read_record(
        {
            "name": "ashy_root_5fc",
            "systemData": {"createdAt": "2026-11-20T07:00:00Z"},
            "properties": {"jobType": "Command", "status": "Paused", "displayName": "Nightly", "tags": {"a": "b"}},
        }
    )
    assert (record.spec.name, record.spec.id, record.is_ours) == ("Nightly", "ashy_root_5fc", False)
    assert (record.state, record.word, record.submitted_at.day) == (JobState.UNKNOWN, "Paused", 20)


def test_damaged_marks_make_a_job_somebody_elses_and_nothing_worse() -> None:
    record = read_record(resource(SPEC, properties={"phidesk-spec-0": '{"id": '}))
    assert not record.is_ours


def test_a_command_job_is_what_the_sdk_reads() -> None:
    document = yaml.safe_dump(command_yaml(SPEC, PARTS, WHEN), allow_unicode=True)
    job: Any = load_job(io.StringIO(document))
    assert (job.name, job.display_name, job.experiment_name) == (SPEC.id, SPEC.name, "phidesk")
    assert (job.resources.instance_count, job.distribution.process_count_per_instance) == (2, 2)
    assert job.distribution.type == "pytorch"
    output = job.outputs["output"]
    assert output.path == f"azureml://datastores/workspaceblobstore/paths/phidesk/{SPEC.id}/"
    assert output.mode == "rw_mount"
    assert job.inputs["train_file"].path == "t:1"
    assert "--model-name-or-path microsoft/Phi-4-mini-instruct" in job.command
    assert "--learning-rate=5e-06 --packing --no-gradient-checkpointing" in job.command
    assert "max-steps" not in job.command


def test_one_process_has_no_distribution_and_several_nodes_without_gpu_have_one_each() -> None:
    single = replace(SPEC, machine=Machine())
    assert "distribution" not in command_yaml(single, replace(PARTS, gpus=0), None)
    assert "distribution" not in command_yaml(single, replace(PARTS, gpus=1), None)
    pair = command_yaml(SPEC, replace(PARTS, gpus=0), None)
    assert pair["distribution"] == {"type": "pytorch", "process_count_per_instance": 1}


def test_what_a_person_wrote_can_not_leave_its_place_in_the_command() -> None:
    spec = replace(SPEC, arguments={"seed": "1; curl evil", "recipe_note": "$(x)"}, recipe="a b", base_revision="`id`")
    command = command_yaml(spec, PARTS, None)["command"]
    assert "--seed='1; curl evil'" in command
    assert "--recipe-note='$(x)'" in command
    assert "--recipe 'a b'" in command
    assert "--revision '`id`'" in command


def test_an_evaluation_reads_both_models_on_one_machine() -> None:
    spec = replace(SPEC, kind=JobKind.EVALUATE, tuned_model="harbour:1", arguments={"max_rows": 5})
    tuned = {"type": "mlflow_model", "path": "azureml:harbour:1"}
    job: Any = load_job(io.StringIO(yaml.safe_dump(command_yaml(spec, replace(PARTS, tuned=tuned), None))))
    assert "--tuned-model ${{inputs.tuned_model}}" in job.command
    assert (job.inputs["tuned_model"].type, job.inputs["tuned_model"].path) == ("mlflow_model", "harbour:1")
    assert "train_file" not in job.inputs
    assert (job.resources.instance_count, job.distribution) == (1, None)


def test_a_catalogue_job_as_a_document_and_as_sent_are_the_same() -> None:
    model = "azureml://registries/azureml/models/Phi-4-mini-instruct/versions/1"
    spec = replace(SPEC, base_model=model, arguments={"learning_rate": 5e-6, "max_length": 512, "warmup_ratio": 0.1})
    values = catalogue_yaml(
        spec, "azureml:t:1", "azureml:e:1", size="Standard_NC24ads_A100_v4", cluster="", submitted_at=WHEN
    )
    loaded: Any = load_job(io.StringIO(yaml.safe_dump(values, allow_unicode=True)))
    sent = make_catalogue_job(values)
    for job in (loaded, sent):
        assert job.name == spec.id
        assert job.hyperparameters == {"learning_rate": "0.000005", "max_seq_length": "512"}
        assert (job.model.path, job.model.type) == (model, "mlflow_model")
        assert job.validation_data.path.removeprefix("azureml:") == "e:1"
        assert job.resources.instance_types[0] == "Standard_NC24ads_A100_v4"
        assert job.outputs["registered_model"].name == "phidesk-" + spec.id
    assert loaded.task.lower() == sent.task.lower() == "chatcompletion"


def test_only_what_the_recipe_has_is_sent_to_it() -> None:
    given_ = {"method": "lora", "lora_r": 8, "packing": True, "num_train_epochs": 3.0, "max_steps": -1}
    assert hyperparameters(given_) == {
        "apply_lora": "true",
        "lora_r": "8",
        "num_train_epochs": "3",
        "max_steps": "-1",
    }
    assert hyperparameters({"method": "full", "lora_r": 8}) == {"apply_lora": "false"}


def test_a_base_model_is_known_by_its_form(tmp_path: Any) -> None:
    found = {
        BUILT_IN_MODEL: "built_in",
        "microsoft/Phi-3-mini-4k-instruct": "hub",
        "harbour:2": "registered",
        str(tmp_path): "folder",
        "azureml://registries/azureml/models/Phi-4/versions/8": "catalogue",
    }
    assert {model: model_source(model) for model in found} == found
    for bad in ("", "nothing", "a/b/c", "azureml://registries/azureml/models/x y/versions/1", "$(id)/x"):
        with pytest.raises(BadInput):
            model_source(bad)


def test_metrics_of_our_script_and_of_the_recipe_find_their_places() -> None:
    assert place_of("train_learning_rate", []) == ("train", "learning_rate")
    assert place_of("eval_perplexity", []) == ("eval", "perplexity")
    recipe = ["loss", "learning_rate", "train_loss", "train_runtime", "eval_loss", "eval_runtime", "system/gpu"]
    places = {key: place for key in recipe if (place := place_of(key, recipe))}
    assert places == {
        "loss": ("train", "loss"),
        "learning_rate": ("train", "learning_rate"),
        "eval_loss": ("eval", "loss"),
    }


def test_measurements_of_one_step_are_one_point_and_a_resumed_run_has_no_step_twice() -> None:
    points = join_points(
        [("train", "loss", 10.0, 1, 2.0), ("train", "learning_rate", 9.5, 1, 0.1), ("eval", "loss", 11.0, 1, 3.0)]
    )
    assert points == [
        MetricPoint(9.5, "train", 1, {"loss": 2.0, "learning_rate": 0.1}),
        MetricPoint(11.0, "eval", 1, {"loss": 3.0}),
    ]
    first = [MetricPoint(step, "train", step, {"loss": 1.0}) for step in (1, 2, 3, 4)]
    second = [MetricPoint(10 + step, "train", step, {"loss": 0.5}) for step in (3, 4, 5)]
    assert [(point.step, point.time) for point in join_attempts([first, [], second])] == [
        (1, 1), (2, 2), (3, 13), (4, 14), (5, 15),
    ]  # fmt: skip


def test_progress_is_what_the_job_says_of_itself() -> None:
    said = {"time": 130.0, "phase": "training", "step": 21, "total_steps": 41, "first_step": 1, "first_time": 110.0}
    progress = progress_of_tag(TrackedRun(tags={PROGRESS_TAG: json.dumps(said)}))
    assert progress is not None
    assert (progress.step, progress.total_steps, progress.seconds_left, progress.phase) == (21, 41, 20.0, "training")
    early = progress_of_tag(TrackedRun(tags={PROGRESS_TAG: json.dumps(said | {"step": 5})}))
    assert early is not None and early.seconds_left is None
    recipe = progress_of_tag(TrackedRun(latest={"loss": (0.1, 40), "eval_loss": (0.2, 30)}))
    assert recipe is not None and (recipe.step, recipe.total_steps) == (40, 0)
    assert progress_of_tag(TrackedRun(tags={PROGRESS_TAG: "no json"})) is None


def test_progress_is_read_from_the_file_where_there_is_no_tracking() -> None:
    lines: list[dict[str, Any]] = [{"time": 100.0, "kind": "phase", "phase": "training"}]
    lines += [{"time": 100.0 + step, "kind": "train", "step": step, "total_steps": 30} for step in range(1, 16)]
    progress = progress_of_lines(lines)
    assert progress is not None
    assert (progress.step, progress.total_steps, progress.seconds_left) == (15, 30, 15.0)
    assert progress_of_lines([]) is None


def test_a_log_begins_with_the_image_build_and_one_process_tells_the_story() -> None:
    files = {
        "user_logs/std_log_process_1.txt": "two",
        "system_logs/lifecycler/lifecycler.log": "system",
        "user_logs/std_log_process_0.txt": "one",
        "azureml-logs/20_image_build_log.txt": "build",
    }
    assert log_addresses(files) == ["build", "one"]
    assert log_addresses({"user_logs/std_log.txt": "only"}) == ["only"]


def test_a_character_that_is_not_whole_yet_is_left_for_the_next_piece_of_a_log() -> None:
    left = [end - chunk_of("aß€😀".encode()[:end], 0, 0).end for end in range(1, 11)]
    assert left == [0, 1, 0, 1, 2, 0, 1, 2, 3, 0]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Environment Image Build failed: pip could not resolve torch==9", "image_build_failed"),
        ("ClusterCoreQuotaReached: the specified subscription has a quota of 0", "no_quota"),
        ("Job node was preempted too often.", "preempted"),
        ("AllocationFailed: no machine of the size", "no_capacity"),
        ("User process 'python' exited with status code 137.", "killed"),
        ("Execution failed. User process 'python' exited with status code 1.", "exit_status"),
        ("The client does not have authorization to perform the action", "job_forbidden"),
        ("NoMatchingArtifactsFoundFromJob", "job_input_missing"),
        ("Something entirely new", "service_failed"),
    ],
)
def test_what_the_service_says_is_told_in_words(message: str, code: str) -> None:
    failure = explain_service_error({"error": {"error": {"code": "UserError", "message": message}}})
    assert (failure.code, failure.why) == (code, message)
    assert failure.what and failure.how_to_fix and message in failure.raw


def test_a_service_without_a_reason_is_told_so_and_signatures_never() -> None:
    assert explain_service_error({}).code == "no_reason"
    leak = {"error": {"error": {"message": "GET https://x.blob.core.windows.net/a?sv=1&sig=SECRETSECRET failed"}}}
    failure = explain_service_error(leak)
    assert "SECRETSECRET" not in failure.raw + failure.why


def test_azures_times_have_seven_digits() -> None:
    assert moment("2026-11-21T07:00:00.1234567Z") == datetime(2026, 11, 21, 7, 0, 0, 123456, UTC)
    assert moment("2026-11-21T07:00:00") == datetime(2026, 11, 21, 7, tzinfo=UTC)
    assert moment("soon") is moment(None) is None
