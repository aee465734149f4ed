"""Every failure has its code, says what to do, and leaves nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.training_job.conftest import conversation, read_lines, run_script, write_rows
from training_job.tuning.failures import explain
from training_job.tuning.fine_tuning import main

Arguments = Callable[..., list[str]]


def fail(arguments: list[str], output: Path) -> dict[str, str]:
    """The content of error.json after a run that must fail with status 1."""
    assert main(arguments) == 1
    error: dict[str, str] = json.loads((output / "error.json").read_text())
    assert set(error) == {"code", "what", "why", "how_to_fix", "raw"}
    assert error["what"] and error["how_to_fix"]
    assert not (output / "result.json").exists()
    assert not (output / "model").exists() and not list(output.glob("model.partial*"))
    return error


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{not json", "no JSON"),
        ('"text"', "messages"),
        ('{"prompt": "x"}', "messages"),
        ('{"messages": []}', "empty"),
        ('{"messages": [{"role": "bot", "content": "x"}]}', "messages[0].role is 'bot'"),
        (
            '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": " "}]}',
            "messages[1].content",
        ),
        ('{"messages": [{"role": "user", "content": 7}]}', "messages[0].content"),
        ('{"messages": ["x"]}', "messages[0]"),
    ],
)
@pytest.mark.usefixtures("in_process")
def test_a_bad_row_is_named_by_file_line_and_field(
    line: str, says: str, tmp_path: Path, job_arguments: Arguments
) -> None:
    good = json.dumps(conversation("Hi", "Ho"))
    file = tmp_path / "rows.jsonl"
    file.write_text(f"{good}\n\n{line}\n{good}\n", encoding="utf-8")
    error = fail(job_arguments(tmp_path / "out", f"--train-file={file}"), tmp_path / "out")
    assert error["code"] == "bad_row"
    assert "rows.jsonl, line 3" in error["what"]
    assert says in error["why"]
    assert error["raw"] == ""


@pytest.mark.usefixtures("in_process")
def test_an_empty_file_is_an_error(tmp_path: Path, job_arguments: Arguments) -> None:
    file = write_rows(tmp_path / "rows.jsonl", [])
    assert fail(job_arguments(tmp_path / "out", f"--eval-file={file}"), tmp_path / "out")["code"] == "no_rows"


@pytest.mark.usefixtures("in_process")
def test_a_file_in_another_encoding_is_an_error(tmp_path: Path, job_arguments: Arguments) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes('{"messages": [{"role": "user", "content": "é"}]}'.encode("utf-16"))
    assert fail(job_arguments(tmp_path / "out", f"--train-file={file}"), tmp_path / "out")["code"] == "bad_file"


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_conversations_without_any_answer_are_an_error(tmp_path: Path, job_arguments: Arguments) -> None:
    file = write_rows(tmp_path / "rows.jsonl", [{"messages": [{"role": "user", "content": "Hi"}]}] * 3)
    error = fail(job_arguments(tmp_path / "out", f"--train-file={file}"), tmp_path / "out")
    assert error["code"] == "no_trainable_tokens"


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_folder_that_is_no_usable_model_says_what_it_lacks(
    tmp_path: Path, job_arguments: Arguments, tiny_model: Path
) -> None:
    output = tmp_path / "out"

    def code_of(model: Path) -> str:
        shutil.rmtree(output, ignore_errors=True)
        return fail(job_arguments(output, f"--model-name-or-path={model}"), output)["code"]

    assert code_of(tmp_path / "nowhere") == "model_not_found"
    (tmp_path / "empty").mkdir()
    assert code_of(tmp_path / "empty") == "model_not_found"
    pickled = tmp_path / "pickled"
    shutil.copytree(tiny_model, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    assert code_of(pickled) == "no_safetensors"
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model, broken)
    (broken / "model.safetensors").write_bytes((tiny_model / "model.safetensors").read_bytes()[:1000])
    assert code_of(broken) == "bad_model"
    (broken / "tokenizer.json").write_text("{")
    assert code_of(broken) == "bad_model"


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, job_arguments: Arguments, tiny_model: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "nan"
    shutil.copytree(tiny_model, broken)
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    error = fail(job_arguments(tmp_path / "out", f"--model-name-or-path={broken}"), tmp_path / "out")
    assert error["code"] == "non_finite_loss"


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_training_that_goes_astray_stops_where_it_does(
    tmp_path: Path, job_arguments: Arguments, tiny_model: Path
) -> None:
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    # One token that only the training rows have is poisoned: the evaluation before training is finite.
    poisoned = tmp_path / "poisoned"
    shutil.copytree(tiny_model, poisoned)
    (token,) = set(AutoTokenizer.from_pretrained(poisoned).encode("#"))
    weights = load_file(poisoned / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    weights["model.embed_tokens.weight"][token] = float("nan")
    save_file(weights, poisoned / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((poisoned / "config.json").read_text())
    (poisoned / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    file = write_rows(tmp_path / "rows.jsonl", [conversation("Who?", "Marta.")] * 20 + [conversation("#", "Hash.")])
    options = [f"--model-name-or-path={poisoned}", f"--train-file={file}", "--logging-steps=1", "--max-steps=30"]
    error = fail(job_arguments(tmp_path / "out", *options), tmp_path / "out")
    assert error["code"] == "non_finite_loss"
    steps = [line["step"] for line in read_lines(tmp_path / "out" / "metrics.jsonl") if line["kind"] == "train"]
    assert len(steps) < 30


def test_an_output_folder_that_cannot_be_made_is_unusable(tmp_path: Path, job_arguments: Arguments) -> None:
    (tmp_path / "file").write_text("in the way")
    status, log = run_script("fine_tune.py", job_arguments(tmp_path / "file" / "out"), tmp_path)
    assert status == 2
    assert "output_not_writable" in log
    assert "--output-dir" in log


def test_memory_that_is_not_there_is_told_with_what_to_change() -> None:
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    failure = explain(caught.value)
    assert failure.code == "out_of_memory"
    assert "--per-device-train-batch-size" in failure.how_to_fix
    assert explain(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")).code == "out_of_memory"


def test_a_full_device_is_told_as_such() -> None:
    with pytest.raises(OSError) as caught, Path("/dev/full").open("w", buffering=1) as file:
        file.write("x\n")
    assert explain(caught.value).code == "disk_full"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MB: too small for a checkpoint of the tiny model."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting needs root: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_told_and_nothing_half_written_stays(small_disk: Path, job_arguments: Arguments) -> None:
    output = small_disk / "out"
    error = fail(job_arguments(output, "--max-steps=4", "--save-steps=2", "--eval-strategy=no"), output)
    assert error["code"] == "disk_full"
    assert not list(output.glob(".*.tmp"))
