"""Chooses device, precision and attention, each with its reason, which is printed and recorded."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

from .failures import bad_argument

SHORT_ROWS = 128
"""Tokens below which eager attention is the faster one on a CPU (measured: 1.35 to 1.5 times at 40 tokens)."""
SMALL_MODEL = 50_000_000
"""Parameters below which casting to bf16 costs a CPU more than its tiles save."""


@dataclass(frozen=True)
class Machine:
    device: str
    device_name: str
    is_bf16: bool
    attention: str
    reason: str

    @property
    def dtype(self) -> str:
        return "bf16" if self.is_bf16 else "fp32"


def choose_machine(arguments: argparse.Namespace, *, typical_tokens: int, parameters: int, is_packing: bool) -> Machine:
    """`typical_tokens` is the length that 9 of 10 rows stay below. Raises JobFailure for a bf16 that is not there."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if device == "cuda":  # of several processes on one machine each has a GPU of its own
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    name = torch.cuda.get_device_name() if device == "cuda" else device.upper()
    is_bf16, why_precision = _choose_precision(arguments.precision, device, parameters)
    attention, why_attention = _choose_attention(arguments.attention, device, typical_tokens, is_packing)
    where = f"{name}: " + ("a GPU was found" if device != "cpu" else "no GPU was found")
    return Machine(device, name, is_bf16, attention, f"{where}; {why_precision}; {why_attention}.")


def _choose_precision(wanted: str, device: str, parameters: int) -> tuple[bool, str]:
    import torch

    if device == "cuda":
        has_bf16, lack = torch.cuda.is_bf16_supported(), "this GPU has no bf16"
    elif device == "cpu":
        # Without AMX tiles, bf16 on a CPU is 1.3 to 15 times slower than fp32.
        has_bf16, lack = bool(torch.cpu._is_amx_tile_supported()), "this processor has no AMX tiles, which bf16 needs"
    else:
        has_bf16, lack = False, "bf16 is used on NVIDIA GPUs and AMX processors only"
    if wanted == "bf16" and not has_bf16 and device == "cuda":
        raise bad_argument("precision", f"bf16 is not there: {lack}.", "Use --precision auto or fp32.")
    if wanted == "fp32":
        return False, "fp32, as asked"
    if wanted == "bf16" and not has_bf16:
        return False, f"fp32 although bf16 was asked for: {lack}, it would be many times slower"
    if wanted == "bf16":
        return True, "bf16 arithmetic with fp32 weights, as asked"
    if not has_bf16:
        return False, f"fp32: {lack}"
    if device == "cpu" and parameters < SMALL_MODEL:
        return False, "fp32: the model is so small that casting would cost more than bf16 saves"
    return True, "bf16 arithmetic with fp32 weights: the hardware has it"


def _choose_attention(wanted: str, device: str, typical_tokens: int, is_packing: bool) -> tuple[str, str]:
    if wanted != "auto":
        return wanted, f"{wanted} attention, as asked"
    if device == "cpu" and not is_packing and typical_tokens < SHORT_ROWS:
        return "eager", f"eager attention: 9 of 10 conversations are within {typical_tokens} tokens"
    return "sdpa", "sdpa attention: " + ("a GPU" if device != "cpu" else "the rows are long")
