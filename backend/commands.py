"""What a form is about to do, as the `phidesk` command line that does the same. Holds no secret."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime

from backend.domain import Hosting, JobSpec
from backend.domain_setup import CodeFile
from backend.i18n import _


def train_command(spec: JobSpec, changed: Mapping[str, object]) -> CodeFile:
    """`changed` are the arguments that differ from the preset."""
    machine = spec.machine
    words = ["phidesk", "train", "start", spec.dataset_id, "--name", spec.name, "--base", spec.base_model]
    words += ["--recipe", spec.recipe]
    for name, value in sorted(changed.items()):
        words += ["--set", f"{name}={'' if value is None else value}"]
    words += ["--size", machine.size] if machine.size else []
    words += ["--nodes", str(machine.nodes)] if machine.nodes > 1 else []
    words += ["--cluster", machine.cluster] if machine.cluster else []
    words += ["--low-priority"] if machine.is_low_priority else []
    words += ["--image", machine.image] if machine.image else []
    return _command("train.sh", words)


def deploy_command(name: str, model: str, hosting: Hosting) -> CodeFile:
    words = ["phidesk", "deploy", "create", model, "--name", name]
    words += ["--size", hosting.size] if hosting.size else []
    words += ["--instances", str(hosting.instances)] if hosting.instances > 1 else []
    words += ["--max-instances", str(hosting.max_instances)] if hosting.max_instances > hosting.instances else []
    words += ["--serving", hosting.serving] if hosting.serving else []
    words += [] if hosting.takes_traffic else ["--beside"]
    if hosting.expires_at:
        hours = (hosting.expires_at - datetime.now(UTC)).total_seconds() / 3600
        words += ["--expires", f"{max(hours, 0.1):.1f}"]
    return _command("deploy.sh", words)


def _command(name: str, words: list[str]) -> CodeFile:
    return CodeFile(name, "bash", shlex.join(words) + "\n", _("Does the same in a terminal."))
