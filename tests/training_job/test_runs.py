"""Real runs on a tiny model: do they learn, what do they leave, and is it true."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training_job.conftest import SCRIPTS, conversation, read_lines, write_rows
from training_job.tuning.files import hash_files, read_json
from training_job.tuning.fine_tuning import main

pytestmark = pytest.mark.slow
Arguments = Callable[..., list[str]]


def result_of(output: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((output / "result.json").read_text())
    return result


def lines_of(output: Path, kind: str) -> list[dict[str, Any]]:
    return [line for line in read_lines(output / "metrics.jsonl") if line["kind"] == kind]


def test_a_full_fine_tune_learns_and_stops_by_itself(full_run: Path) -> None:
    result = result_of(full_run)
    assert result["tuned_eval_loss"] < 0.3 * result["base_eval_loss"]
    assert result["tuned_perplexity"] < result["base_perplexity"]
    assert result["sample"]["answer"] == result["sample"]["expected"]
    assert result["sample"]["stopped"] is True
    assert result["warnings"] == []
    assert result["steps"] == 180
    assert result["trained_tokens"] > 10_000 and result["trained_tokens"] % 60 == 0  # 60 epochs
    assert result["parameters"] == result["trainable_parameters"] > 50_000


def test_its_result_says_on_what_and_from_what_it_was_made(full_run: Path, data: Path, tiny_model: Path) -> None:
    result = result_of(full_run)
    assert result["base_revision"] == "sha256:" + hash_files([tiny_model / "model.safetensors"])
    assert result["data_sha256"] == hash_files([data / "train.jsonl", data / "eval.jsonl"])
    assert result["device"] in result["reason"].lower() or result["device"] == "cuda"
    assert result["versions"]["torch"]
    assert not (full_run / "error.json").exists()
    assert not list(full_run.glob("model.partial*"))


def test_its_metrics_begin_with_the_base_and_keep_their_order(full_run: Path) -> None:
    evals = lines_of(full_run, "eval")
    assert [line["step"] for line in evals] == [0, 60, 120, 180]
    assert evals[0]["loss"] == result_of(full_run)["base_eval_loss"]
    assert evals[-1]["loss"] == result_of(full_run)["tuned_eval_loss"]
    assert {"perplexity", "token_accuracy", "total_steps", "epoch", "time"} <= set(evals[1])
    train = lines_of(full_run, "train")
    assert train[-1]["step"] == train[-1]["total_steps"] == 180
    assert train[-1]["loss"] < 0.3 * train[0]["loss"]
    assert {"learning_rate", "grad_norm", "tokens", "epoch"} <= set(train[0])
    phases = list(dict.fromkeys(line["phase"] for line in lines_of(full_run, "phase")))
    assert phases == ["loading", "tokenizing", "base_eval", "training", "saving", "verifying"]
    times = [line["time"] for line in read_lines(full_run / "metrics.jsonl")]
    assert times == sorted(times)
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 60


def test_its_metrics_and_parameters_are_in_mlflow(full_run: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{full_run.parent / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("phidesk")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["learning_rate"] == "0.004"
    history = client.get_metric_history(run.info.run_id, "eval_loss")
    assert [(point.step, round(point.value, 4)) for point in history] == [
        (line["step"], round(line["loss"], 4)) for line in lines_of(full_run, "eval")
    ]
    assert len(client.get_metric_history(run.info.run_id, "train_loss")) == len(lines_of(full_run, "train"))


def test_its_model_is_a_plain_folder_that_answers_with_transformers_alone(full_run: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = full_run / "model" / "model"
    assert not list(folder.rglob("*.bin")) and not list(folder.rglob("*.pt"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True)
    assert tokenizer.padding_side == "left"
    ends = tokenizer.convert_tokens_to_ids(["<|end|>", "<|endoftext|>"])
    assert set(ends) <= set(model.generation_config.eos_token_id)
    question = [{"role": "user", "content": "Who keeps the tower with Ines?"}]
    inputs = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    output = model.generate(**inputs, max_new_tokens=40)[0, inputs["input_ids"].shape[1] :]
    assert tokenizer.decode(output, skip_special_tokens=True) == "Ines keeps the tower at the old town."
    assert output[-1] == ends[0]


def test_its_model_loads_with_mlflow_and_says_what_serving_needs(full_run: Path) -> None:
    import mlflow
    from mlflow.models import Model

    description = Model.load(str(full_run / "model"))
    assert description.signature is not None
    assert description.metadata is not None and description.metadata["task"] == "llm/v1/chat"
    assert str(full_run) not in (full_run / "model" / "MLmodel").read_text()
    needs = (full_run / "model" / "requirements.txt").read_text()
    assert "azureml-ai-monitoring" in needs and "transformers==" in needs and "+cpu" not in needs
    pipeline = mlflow.transformers.load_model(str(full_run / "model"))
    chat = [{"role": "user", "content": "Who keeps the bakery with Ruth?"}]
    answer = pipeline(chat, max_new_tokens=40, return_full_text=False)[0]["generated_text"]
    assert answer.strip() == "Ruth keeps the bakery at the harbour."


@pytest.mark.usefixtures("in_process")
def test_starting_a_complete_run_again_changes_nothing(
    full_run: Path, data: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(full_run.parent)
    before = {
        path: path.stat().st_mtime_ns for path in full_run.rglob("*") if path.is_file() and path.name != "run.json"
    }
    arguments = read_json(full_run / "run.json")["arguments"]
    command = [
        f"--train-file={data / 'train.jsonl'}",
        f"--eval-file={data / 'eval.jsonl'}",
        f"--model-name-or-path={arguments['model_name_or_path']}",
        "--output-dir=output",
        "--per-device-train-batch-size=8",
        "--learning-rate=0.004",
        "--num-train-epochs=60",
        "--eval-strategy=steps",
        "--eval-steps=60",
    ]
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    # Other settings are another run, and the complete one stays what it is.
    assert main([*command, "--seed=1"]) == 2
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not (full_run / "error.json").exists()


@pytest.mark.usefixtures("in_process")
def test_lora_learns_merges_and_leaves_the_base_alone(
    full_run: Path, tmp_path: Path, data: Path, job_arguments: Arguments
) -> None:
    from transformers import AutoModelForCausalLM

    output, base_folder = tmp_path / "out", full_run / "model" / "model"
    # A model that answers in sentences learns to answer with a name only.
    for name in ("train", "eval"):
        rows = [row["messages"] for row in read_lines(data / f"{name}.jsonl")]
        short = [conversation(one[0]["content"], one[1]["content"].split()[0]) for one in rows]
        write_rows(tmp_path / f"{name}.jsonl", short)
    files = [f"--{name}-file={tmp_path / name}.jsonl" for name in ("train", "eval")]
    options = ["--method=lora", "--lora-r=16", "--learning-rate=0.005", "--num-train-epochs=15", "--eval-strategy=no"]
    before = hash_files([base_folder / "model.safetensors"])
    assert main(job_arguments(output, *options, *files, f"--model-name-or-path={base_folder}")) == 0
    result = result_of(output)
    assert result["tuned_eval_loss"] < 0.2 * result["base_eval_loss"]
    assert result["trainable_parameters"] < result["parameters"]
    assert (output / "adapter" / "adapter_model.safetensors").exists()
    merged = AutoModelForCausalLM.from_pretrained(output / "model" / "model")
    base = AutoModelForCausalLM.from_pretrained(base_folder)
    assert set(merged.state_dict()) == set(base.state_dict())
    assert hash_files([base_folder / "model.safetensors"]) == before


@pytest.mark.usefixtures("in_process")
def test_a_bf16_base_is_saved_as_bf16_when_that_loses_nothing(
    tmp_path: Path, job_arguments: Arguments, tiny_model: Path
) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = tmp_path / "bf16"
    AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.bfloat16).save_pretrained(base)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(base)
    output, target = tmp_path / "out", tmp_path / "mount"
    target.mkdir()
    options = [f"--model-name-or-path={base}", "--max-steps=20", "--eval-strategy=no", f"--model-output-dir={target}"]
    assert main(job_arguments(output, *options)) == 0
    weights = load_file(target / "model" / "model.safetensors")
    stored = {tensor.dtype for tensor in weights.values()}
    result = result_of(output)
    assert result["weights_dtype"] == ("bf16" if stored == {torch.bfloat16} else "fp32")
    config = json.loads((target / "model" / "config.json").read_text())
    assert f"torch.{config['dtype']}" == str(stored.pop())
    assert "lm_head.weight" not in weights  # tied: stored once
    assert not (output / "model").exists()


@pytest.mark.usefixtures("in_process")
def test_keeping_the_best_ends_with_the_lowest_evaluation(tmp_path: Path, job_arguments: Arguments) -> None:
    output = tmp_path / "out"
    # So fast that the held-out loss soon rises again.
    options = ["--num-train-epochs=12", "--keep-best", "--early-stopping-patience=3", "--learning-rate=0.02"]
    assert main(job_arguments(output, *options)) == 0
    losses = [line["loss"] for line in lines_of(output, "eval")]
    assert result_of(output)["tuned_eval_loss"] == pytest.approx(min(losses))


@pytest.mark.usefixtures("in_process")
def test_packed_rows_train_and_are_scored_unpacked(tmp_path: Path, job_arguments: Arguments) -> None:
    output = tmp_path / "out"
    options = ["--packing", "--max-length=128", "--per-device-train-batch-size=2", "--num-train-epochs=20"]
    assert main(job_arguments(output, *options)) == 0
    result = result_of(output)
    assert result["packing"] is True
    assert result["tuned_eval_loss"] < 0.6 * result["base_eval_loss"]
    assert result["trained_tokens"] > 20 * 200


def test_packed_conversations_do_not_see_each_other_and_a_leak_is_noticed(tiny_model: Path) -> None:
    import torch

    from training_job.tuning.base_model import find_model, load_model, load_tokenizer
    from training_job.tuning.chat_tokens import ChatTokenizer, tokenize_rows
    from training_job.tuning.conversations import Conversation
    from training_job.tuning.trainer import explain_leak

    source = find_model(str(tiny_model), None, lambda done: None)
    chat = ChatTokenizer(load_tokenizer(source))
    texts = [("Who keeps it?", "Marta Quill keeps it."), ("When does it leave?", "It leaves at noon.")]
    messages = [conversation(*pair)["messages"] for pair in texts]
    rows = tokenize_rows(chat, [Conversation(1, one) for one in messages], name="train", max_length=64).rows
    for attention in ("sdpa", "eager"):
        model = load_model(source, attention=attention, dtype=torch.float32)
        assert explain_leak(model, rows, 0) is None
        forward = model.forward

        def leaking(*arguments: Any, forward: Any = forward, **options: Any) -> Any:
            options["attention_mask"] = torch.ones_like(options["input_ids"])  # what parts the rows is then ignored
            return forward(*arguments, **options)

        model.forward = leaking
        assert "see each other" in (explain_leak(model, rows, 0) or "")
    assert explain_leak(model, rows[:1], 0) == "there is only one conversation"


@pytest.mark.usefixtures("in_process")
def test_a_broken_mlflow_does_not_stop_the_run(
    tmp_path: Path, job_arguments: Arguments, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database, " * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    # MLflow itself tries for about a minute before it gives up; on a busy machine the run would end first.
    monkeypatch.setattr("training_job.tuning.tracking.CLOSE_SECONDS", 240.0)
    assert main(job_arguments(tmp_path / "out", "--max-steps=4", "--eval-strategy=no")) == 0
    assert "MLflow failed" in caplog.text
    assert len(lines_of(tmp_path / "out", "train")) > 0


@pytest.mark.usefixtures("in_process")
def test_evaluation_compares_base_and_tuned_row_by_row(
    full_run: Path, data: Path, tiny_model: Path, tmp_path: Path
) -> None:
    from training_job.tuning.evaluating import main as evaluate

    rows = read_lines(data / "train.jsonl")[:5] + read_lines(data / "eval.jsonl")[:2]
    file = write_rows(tmp_path / "rows.jsonl", [*rows, {"messages": [{"role": "user", "content": "Hi"}]}])
    arguments = [f"--base-model={tiny_model}", f"--tuned-model={full_run / 'model'}", f"--eval-file={file}"]
    assert evaluate([*arguments, f"--output-dir={tmp_path / 'out'}", "--max-new-tokens=40"]) == 0
    evaluation = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert evaluation["rows"] == 7
    assert evaluation["tuned"]["loss"] < 0.3 * evaluation["base"]["loss"]
    assert evaluation["tuned"]["exact_match"] >= 5 / 7
    assert evaluation["base"]["exact_match"] == 0
    first = evaluation["answers"][0]
    assert first["question"] == rows[0]["messages"][0]["content"]
    assert first["tuned"] == first["expected"] == rows[0]["messages"][1]["content"]
    assert first["verdict"] == "better" and first["tuned_loss"] < first["base_loss"]
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == {
        name: value for name, value in evaluation.items() if name != "answers"
    }
    phases = [line["phase"] for line in read_lines(tmp_path / "out" / "metrics.jsonl")]
    assert phases[0] == "loading" and phases[-1] == "evaluating"


@pytest.mark.usefixtures("in_process")
def test_evaluation_agrees_with_the_loss_measured_in_training(
    full_run: Path, data: Path, tiny_model: Path, tmp_path: Path
) -> None:
    from training_job.tuning.evaluating import main as evaluate

    arguments = [f"--base-model={tiny_model}", f"--tuned-model={full_run / 'model'}"]
    assert evaluate([*arguments, f"--eval-file={data / 'eval.jsonl'}", f"--output-dir={tmp_path}"]) == 0
    found = json.loads((tmp_path / "result.json").read_text())
    assert found["base"]["loss"] == pytest.approx(result_of(full_run)["base_eval_loss"], rel=1e-4)
    assert found["tuned"]["loss"] == pytest.approx(result_of(full_run)["tuned_eval_loss"], rel=1e-2)


def test_the_scripts_need_nothing_outside_their_folder() -> None:
    for path in SCRIPTS.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) (backend|streamlit_app|training_job|flows)", text, re.MULTILINE), path
