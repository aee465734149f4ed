"""What a person has chosen on Azure, in `<home>/azure/config.json`. Names only, never a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from backend.studio.atomic_files import write_atomically


@dataclass(frozen=True)
class AzureConfig:
    """Empty means not chosen. `identity` is the name of a user-assigned managed identity in the resource group."""

    tenant: str = ""
    subscription: str = ""
    resource_group: str = ""
    workspace: str = ""
    region: str = ""
    identity: str = ""
    hub: str = ""
    project: str = ""
    training_size: str = ""
    serving_size: str = ""
    registry: str = "azureml"


class ConfigFile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> AzureConfig:
        """Absent, damaged or from another version: what is understood counts, the rest is the default."""
        values = read_private(self.path) or {}
        known = {field.name for field in fields(AzureConfig)}
        return AzureConfig(
            **{name: value for name, value in values.items() if name in known and isinstance(value, str)}
        )

    def write(self, config: AzureConfig) -> None:
        write_private(self.path, asdict(config))


def read_private(path: Path) -> dict[str, Any] | None:
    """None when it is absent or no JSON object."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def write_private(path: Path, values: Mapping[str, Any]) -> None:
    """Atomic, and readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(path, json.dumps(values, ensure_ascii=False, indent=1).encode(), mode=0o600)
