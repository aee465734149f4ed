"""The evaluation flow: its scores, and the whole of it as a batch run with an aggregation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.evaluate.compare_answer import f1, words

ROOT = Path(__file__).parents[2]
BATCH = """
import json, sys
from promptflow.client import PFClient
client = PFClient()
run = client.run(
    flow="flows/evaluate",
    data=sys.argv[1],
    column_mapping={"answer": "${data.answer}", "expected": "${data.expected}"},
)
print("METRICS " + json.dumps(client.get_metrics(run)))
"""


@pytest.mark.parametrize(
    ("given", "wanted", "score"),
    [
        ("A b.", "a B", 1.0),
        ("a b", "c d", 0.0),
        ("a b", "b c", 0.5),
        ("", "", 1.0),
        ("", "a", 0.0),
        ("a a", "a", 2 / 3),
    ],
)
def test_f1_counts_shared_words_without_case_and_punctuation(given: str, wanted: str, score: float) -> None:
    assert f1(words(given), words(wanted)) == pytest.approx(score)


@pytest.mark.slow
def test_a_batch_run_logs_the_means(tmp_path: Path) -> None:
    data = tmp_path / "answers.jsonl"
    rows = [("Yes.", "yes"), ("a b", "b c"), ("no", "yes")]
    data.write_text("".join(json.dumps({"answer": one, "expected": two}) + "\n" for one, two in rows))
    home = tmp_path / "promptflow"
    home.mkdir()
    (home / "pf.yaml").write_text("telemetry:\n  enabled: false\ntrace:\n  destination: none\n")
    quiet = {"PF_DISABLE_TRACING": "true", "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true"}
    done = subprocess.run(
        [sys.executable, "-c", BATCH, str(data)],
        cwd=ROOT,
        env={**os.environ, **quiet, "HOME": str(tmp_path), "PF_HOME_DIRECTORY": str(home)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads(done.stdout.split("METRICS ")[1])
    assert metrics == pytest.approx({"exact_match": 1 / 3, "f1": 0.5, "lines": 3, "failed_lines": 0})
