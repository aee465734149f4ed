"""The script's arguments and recipes, before anything heavy is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training_job.conftest import SCRIPTS, run_script, script_environment
from training_job.tuning.arguments import DEFAULTS, RECIPES, build_parser, parse_arguments, read_recipe
from training_job.tuning.failures import JobFailure

Arguments = Callable[..., list[str]]


@pytest.mark.parametrize("script", ["fine_tune.py", "evaluate.py"])
def test_help_is_fast_and_loads_no_torch(script: str, tmp_path: Path) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['{script}', '--help']\n"
        f"sys.path.insert(0, {str(SCRIPTS)!r})\n"
        "try:\n"
        f"    runpy.run_path({str(SCRIPTS / script)!r}, run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    heavy = {'torch', 'transformers', 'trl', 'mlflow', 'datasets', 'numpy'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
        "    sys.exit(end.code)\n"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=script_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "--output-dir" in done.stdout
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.json")), ids=lambda path: path.stem)
def test_each_recipe_says_what_it_is_good_for_and_parses(path: Path, tmp_path: Path, job_arguments: Arguments) -> None:
    recipe = read_recipe(path.stem)
    assert recipe["id"] == path.stem
    assert recipe["title"]
    assert recipe["good_for"].endswith(".")
    arguments = parse_arguments([*job_arguments(tmp_path / "out"), "--recipe", path.stem])
    for name, value in recipe["arguments"].items():
        if name not in ("learning_rate", "per_device_train_batch_size"):
            assert getattr(arguments, name) == value


def test_the_tutorial_recipe_has_the_tutorials_values() -> None:
    assert read_recipe("tutorial")["arguments"] == {
        "method": "full",
        "learning_rate": 5e-6,
        "lr_scheduler_type": "cosine",
        "num_train_epochs": 3,
        "per_device_train_batch_size": 4,
        "per_device_eval_batch_size": 4,
        "gradient_accumulation_steps": 1,
        "warmup_ratio": 0.2,
        "weight_decay": 0.0,
        "max_length": 2048,
        "packing": True,
        "gradient_checkpointing": True,
        "precision": "bf16",
        "eval_strategy": "epoch",
        "logging_steps": 20,
        "save_steps": 500,
        "seed": 0,
    }


def test_the_command_line_wins_over_the_recipe(tmp_path: Path, job_arguments: Arguments) -> None:
    arguments = parse_arguments([*job_arguments(tmp_path), "--recipe=tutorial", "--no-packing", "--seed=7"])
    assert arguments.packing is False
    assert arguments.seed == 7
    assert arguments.max_length == 2048


def test_underscores_in_option_names_are_understood(tmp_path: Path, job_arguments: Arguments) -> None:
    arguments = parse_arguments([*job_arguments(tmp_path), "--model_output_dir", "x_y", "--max_steps=3"])
    assert arguments.model_output_dir == Path("x_y")
    assert arguments.max_steps == 3


def test_every_default_has_its_option() -> None:
    options = {action.dest for action in build_parser()._actions}
    assert set(DEFAULTS) <= options


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--learning-rate=0", "learning-rate"),
        ("--learning-rate=nan", "learning-rate"),
        ("--num-train-epochs=-1", "num-train-epochs"),
        ("--per-device-train-batch-size=0", "per-device-train-batch-size"),
        ("--warmup-ratio=1.5", "warmup-ratio"),
        ("--max-steps=0", "max-steps"),
        ("--recipe=quickest", "quickest"),
        ("--method=qlora", "Argument --method"),
        ("--unknown=1", "--unknown"),
    ],
)
def test_an_unusable_value_is_refused_with_its_name(
    option: str, says: str, tmp_path: Path, job_arguments: Arguments
) -> None:
    with pytest.raises(JobFailure) as caught:
        parse_arguments([*job_arguments(tmp_path), option])
    assert caught.value.code == "bad_argument"
    assert caught.value.exit_status == 2
    assert says in str(caught.value)


def test_early_stopping_without_evaluation_is_refused(tmp_path: Path, job_arguments: Arguments) -> None:
    with pytest.raises(JobFailure, match="evaluated"):
        parse_arguments([*job_arguments(tmp_path), "--eval-strategy=no", "--early-stopping-patience=2"])


def test_a_missing_file_ends_with_status_2_and_an_error_file(tmp_path: Path, job_arguments: Arguments) -> None:
    arguments = [*job_arguments(tmp_path / "out"), "--train-file=nowhere.jsonl"]
    status, log = run_script("fine_tune.py", arguments, tmp_path)
    assert status == 2
    error = json.loads((tmp_path / "out" / "error.json").read_text())
    assert error["code"] == "no_such_file"
    assert "nowhere.jsonl" in error["what"]
    assert "Traceback" not in log


def test_the_azure_environment_has_the_pins_of_requirements() -> None:
    import yaml

    root = SCRIPTS.parent
    pins = set((root / "requirements.txt").read_text().split("\n"))
    environment = yaml.safe_load((SCRIPTS / "conda.yml").read_text())
    packages = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    assert len(packages) > 8
    assert [package for package in packages if package not in pins] == []
