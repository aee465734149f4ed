"""Keeps the training job's promises (docs/architecture.md) without torch, and does what its arguments ask.

The tests of processes, files and signals use it: they need a trainer that dies or waits at a known moment.
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser(allow_abbrev=False)
for option in (
    "--train-file",
    "--eval-file",
    "--model-name-or-path",
    "--base-model",
    "--tuned-model",
    "--output-dir",
    "--recipe",
    "--revision",
):
    parser.add_argument(option)
parser.add_argument("--steps", type=int, default=30)
parser.add_argument("--wait-at", type=int, default=0, help="stay at this step until the file `go` is there")
parser.add_argument("--fail-at", type=int, default=0)
parser.add_argument("--kill-at", type=int, default=0)
parser.add_argument("--deaf", action=argparse.BooleanOptionalAction, default=False, help="ignore SIGTERM")
given = parser.parse_args()
output = Path(given.output_dir)
is_asked_to_stop = False


def stop(*_arguments):
    global is_asked_to_stop
    is_asked_to_stop = not given.deaf


signal.signal(signal.SIGTERM, stop)


def say(**record):
    with (output / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"time": time.time(), **record}) + "\n")


checkpoint = output / "checkpoint"
first = int(checkpoint.read_text()) + 1 if checkpoint.exists() else 1
say(kind="phase", phase="training")
print(f"begins at step {first}", flush=True)
for step in range(first, given.steps + 1):
    say(kind="train", step=step, total_steps=given.steps, loss=1 / step)
    print(f"step {step}", flush=True)
    while step == given.wait_at and not (output / "go").exists() and not is_asked_to_stop:
        time.sleep(0.01)
    checkpoint.write_text(str(step))
    if step == given.fail_at and first == 1:
        error = {"code": "no_memory", "what": "It failed.", "why": "Because.", "how_to_fix": "Smaller.", "raw": "trace"}
        (output / "error.json").write_text(json.dumps(error))
        sys.exit(1)
    if step == given.kill_at and first == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if is_asked_to_stop:
        sys.exit(143)
say(kind="eval", step=given.steps, total_steps=given.steps, loss=0.1, perplexity=1.1)
model = output / "model" / "model"
model.mkdir(parents=True, exist_ok=True)
(model / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
(model / "config.json").write_text("{}")
(model / "tokenizer.json").write_text("{}")
(model.parent / "MLmodel").write_text("flavors:\n  transformers:\n    model_binary: model\n")
temporary = output / ".result"
temporary.write_text(
    json.dumps({"base_eval_loss": 2.0, "tuned_eval_loss": 0.1, "trained_tokens": 100, "steps": given.steps})
)
temporary.replace(output / "result.json")
