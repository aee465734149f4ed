"""What the quick preset teaches the built-in model on the sample set, with the untouched base model as the baseline."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BASE = ROOT / "backend" / "local" / "base_model" / "weights"
SAMPLES = ROOT / "backend" / "samples"


def script(name: str, folder: Path, *arguments: str) -> dict[str, object]:
    command = [sys.executable, str(ROOT / "training_job" / name), "--output-dir", str(folder), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found: dict[str, object] = json.loads((folder / "result.json").read_text())
    return found


def main() -> dict[str, object]:
    with tempfile.TemporaryDirectory() as place:
        tuned = Path(place) / "run"
        files = ["--train-file", str(SAMPLES / "train.jsonl"), "--eval-file", str(SAMPLES / "eval.jsonl")]
        started = time.perf_counter()
        result = script("fine_tune.py", tuned, "--recipe", "quick", "--model-name-or-path", str(BASE), *files)
        seconds = time.perf_counter() - started
        models = ["--base-model", str(BASE), "--tuned-model", str(tuned / "model" / "model"), "--max-rows", "1000"]
        scores = {
            part: script("evaluate.py", Path(place) / part, *models, "--eval-file", str(SAMPLES / f"{part}.jsonl"))
            for part in ("train", "eval")
        }
    return {
        "what": "quick preset, built-in model, sample set; the untouched base model is the baseline",
        "whole_seconds": round(seconds, 1),
        "train_seconds": result["train_seconds"],
        "training_questions": scores["train"],
        "held_out_wordings": scores["eval"],
    }
