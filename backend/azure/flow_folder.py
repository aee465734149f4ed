"""The chat flow as Azure keeps it: a model whose files are the flow's folder, its version a hash of them."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

FLOW_FOLDER = Path(__file__).parents[2] / "flows" / "chat"
FLOW_MODEL = "phidesk-chat-flow"
_FILES = ("flow.dag.yaml", "integrate_with_promptflow.py", "endpoint_client.py", "requirements.txt")


def flow_version() -> str:
    together = hashlib.sha256()
    for name in _FILES:
        together.update(name.encode() + b"\0" + (FLOW_FOLDER / name).read_bytes() + b"\0")
    return together.hexdigest()[:12]


def flow_model_id() -> str:
    return f"azureml:{FLOW_MODEL}:{flow_version()}"


def copy_flow(folder: Path) -> Path:
    """What is uploaded, and nothing else that lies beside it; returns the copy."""
    copy = folder / "chat"
    copy.mkdir()
    for name in _FILES:
        shutil.copyfile(FLOW_FOLDER / name, copy / name)
    return copy
