"""The quick recipe against the tutorial's way of computing: built-in model, sample set, the same steps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
TUTORIAL = ["--attention", "eager", "--gradient-checkpointing"]
EPOCHS = "3"


def run(folder: Path, *arguments: str, wait_policy: str) -> dict[str, float]:
    samples = ROOT / "backend" / "samples"
    command = [sys.executable, str(ROOT / "training_job" / "fine_tune.py"), "--recipe", "quick"]
    command += ["--train-file", str(samples / "train.jsonl"), "--eval-file", str(samples / "eval.jsonl")]
    command += ["--model-name-or-path", str(ROOT / "backend" / "local" / "base_model" / "weights")]
    command += ["--output-dir", str(folder), "--num-train-epochs", EPOCHS, *arguments]
    started = time.perf_counter()
    environment = dict(os.environ, OMP_WAIT_POLICY=wait_policy)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    result = json.loads((folder / "result.json").read_text())
    return {
        "whole_s": time.perf_counter() - started,
        "train_s": result["train_seconds"],
        "loss": result["tuned_eval_loss"],
    }


def main() -> dict[str, object]:
    with tempfile.TemporaryDirectory() as home:
        ours = run(Path(home) / "ours", wait_policy="PASSIVE")
        theirs = run(Path(home) / "theirs", *TUTORIAL, wait_policy="ACTIVE")
    return {
        "what": f"quick recipe against eager attention with checkpointing and busy waiting (baseline), {EPOCHS} epochs",
        "train_seconds": {"quick": round(ours["train_s"], 1), "baseline": round(theirs["train_s"], 1)},
        "ratio": round(theirs["train_s"] / ours["train_s"], 2),
        "whole_seconds": {"quick": round(ours["whole_s"], 1), "baseline": round(theirs["whole_s"], 1)},
        "tuned_eval_loss": {"quick": round(ours["loss"], 3), "baseline": round(theirs["loss"], 3)},
    }
