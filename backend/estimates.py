"""Seconds and memory of a training before it runs: pure functions, each with the source of its formula.

The figures are estimates, good to a factor of two; runs that this place has finished make them better.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from backend.domain_setup import MachineSize

STEP_OVERHEAD_SECONDS = 0.05
"""A step of even the smallest model, on two shared CPU cores (0.1 s measured for 0.6M to 1M parameters)."""
START_SECONDS = 30.0
"""Imports, loading, the base model's evaluation, saving and verifying: 11 s alone to 40 s beside other work."""
CPU_EFFICIENCY = 0.3
"""Share of the matrix product's speed that a training step reaches (31 to 39 % measured at 145M parameters)."""
PROCESS_BYTES = 1_200_000_000
"""Python with torch, transformers, TRL and MLflow, before any weight."""
LEAST_FOR_A_GPU = 500_000_000
"""Parameters. At 6 operations a parameter and token, a processor of 1 teraflop learns 100 tokens a second."""
LORA_SHARE = 0.01
"""Trainable share of the weights at rank 16 on all linear layers, about."""


@dataclass(frozen=True)
class Estimate:
    """An estimate, not a promise. `basis` says in words what it rests on; `fits` is None where it is unknown."""

    seconds: float
    memory_bytes: int
    tokens: int
    steps: int
    basis: str
    fits: bool | None = None


@dataclass(frozen=True)
class PastRun:
    """A finished run of the same base model: `tokens` as `Work.tokens` estimates them for its data and epochs."""

    train_seconds: float
    other_seconds: float
    tokens: int


@dataclass(frozen=True)
class Work:
    """How much a run has to do. `tokens` counts all epochs, `batch_tokens` the largest batch at once."""

    steps: int
    tokens: int
    batch_tokens: int


def work_of(arguments: Mapping[str, Any], rows: int, tokens: int, longest: int) -> Work:
    """`rows`, `tokens` and the `longest` row's tokens are of the training part, seen once."""
    limit = int(arguments.get("max_length") or 512)
    batch = int(arguments.get("per_device_train_batch_size") or 1)
    rows_a_step = batch * int(arguments.get("gradient_accumulation_steps") or 1)
    epochs = float(arguments.get("num_train_epochs") or 1)
    row_tokens = min(longest, limit)
    if arguments.get("packing"):
        rows = max(1, math.ceil(tokens / limit))
        row_tokens = limit
    steps = max(1, math.ceil(math.ceil(rows / rows_a_step) * epochs))
    seen = min(tokens, rows * limit) * epochs
    most = int(arguments.get("max_steps") or -1)
    if 0 < most < steps:
        seen, steps = seen * most / steps, most
    return Work(steps=steps, tokens=max(1, round(seen)), batch_tokens=batch * row_tokens)


def seconds_from_runs(work: Work, past: Sequence[PastRun]) -> float | None:
    """By the tokens a second that finished runs of the same base reached here; None without any."""
    rates = sorted(run.train_seconds / run.tokens for run in past if run.train_seconds > 0 and run.tokens > 0)
    if not rates:
        return None
    others = sorted(run.other_seconds for run in past)
    return others[len(others) // 2] + work.tokens * rates[len(rates) // 2]


def seconds_from_arithmetic(work: Work, parameters: int, arguments: Mapping[str, Any], gflops: float) -> float:
    """6 operations a parameter and token, forward and backward (Kaplan et al. 2020, "Scaling laws", section 2.1).

    LoRA saves the weights' gradients (4 of 6), recomputing for checkpointing adds a forward pass (2).
    """
    operations = (4 if arguments.get("method") == "lora" else 6) + (2 if arguments.get("gradient_checkpointing") else 0)
    busy = operations * parameters * work.tokens / (gflops * 1e9 * CPU_EFFICIENCY)
    return START_SECONDS + busy + work.steps * STEP_OVERHEAD_SECONDS


def memory_bytes(work: Work, parameters: int, arguments: Mapping[str, Any]) -> int:
    """Weights, gradients and Adam's two moments in fp32: 16 bytes a trained parameter (Rajbhandari et al. 2020, ZeRO).

    Activations: 34 bytes a token, layer and hidden unit at 16 bit (Korthikanti et al. 2022, equation 2, without the
    attention scores, which sdpa does not keep), twice that in fp32; with checkpointing one layer's, and the input of
    each. The shape is taken as Phi-3's, hidden = 96 x layers, so parameters = 12 x 96^2 x layers^3. Logits are kept
    twice, in fp32.
    """
    weights = parameters * (4 + 16 * LORA_SHARE if arguments.get("method") == "lora" else 16)
    layers = max(1.0, (parameters / 110_592) ** (1 / 3))
    hidden = 96 * layers
    kept = 68 + 4 * layers if arguments.get("gradient_checkpointing") else 68 * layers
    vocabulary = 32_064 if parameters > 50_000_000 else 4_096
    activations = work.batch_tokens * (kept * hidden + 2 * 4 * vocabulary)
    return int(PROCESS_BYTES + weights + activations)


def fits_here(needed_bytes: int) -> bool:
    """Within four fifths of this computer's memory."""
    import psutil

    return needed_bytes <= psutil.virtual_memory().total * 0.8


def needs_gpu(parameters: int) -> bool:
    """Whether a processor alone would train a model of this size for days."""
    return parameters >= LEAST_FOR_A_GPU


def fits_machine(needed_bytes: int, size: MachineSize) -> bool:
    """Within one GPU's memory, for each GPU holds a whole model, or within the machine's where it has none."""
    gigabytes = size.gpu_memory_gb if size.gpus else size.memory_gb
    return not gigabytes or needed_bytes <= gigabytes * 2**30


@lru_cache(maxsize=1)
def measure_gflops() -> float:
    """This computer's speed in fp32 matrix products: the best of five, some 0.1 s, once a process.

    The best, because other work on the machine only ever makes it look slower.
    """
    import numpy

    size = 1024
    matrix = numpy.ones((size, size), dtype=numpy.float32)
    fastest = math.inf
    for _round in range(5):
        started = time.perf_counter()
        matrix @ matrix
        fastest = min(fastest, time.perf_counter() - started)
    return 2 * size**3 / fastest / 1e9
