"""Everything read from the environment, once, typed. `.env.example` lists each with a line."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """`PHIDESK_<NAME>` variables. `hf_token` also takes the Hub's own `HF_TOKEN`."""

    model_config = SettingsConfigDict(env_prefix="PHIDESK_", extra="ignore")

    home: Path = Field(default_factory=lambda: Path.home() / ".phidesk")
    host: str = "127.0.0.1"
    port: int = 8501
    language: str = "en"
    max_upload_mb: int = 50
    azure_timeout_seconds: float = 60
    target: str = ""
    hf_token: SecretStr | None = Field(default=None, validation_alias="HF_TOKEN")

    @property
    def datasets_folder(self) -> Path:
        return self.home / "datasets"

    @property
    def runs_folder(self) -> Path:
        return self.home / "runs"

    @property
    def endpoints_folder(self) -> Path:
        return self.home / "endpoints"

    @property
    def database(self) -> Path:
        return self.home / "desk.db"

    @property
    def target_file(self) -> Path:
        """Holds the name of the target in use, unless `PHIDESK_TARGET` says it."""
        return self.home / "target"

    @property
    def mlflow_database(self) -> Path:
        return self.home / "mlflow.db"

    @property
    def prompt_flow_home(self) -> Path:
        return self.home / "promptflow"


QUIET_ENVIRONMENT = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PF_DISABLE_TRACING": "true",
    "TOKENIZERS_PARALLELISM": "false",
    # prompt flow makes its telemetry handler even when telemetry is off, and asks Azure Monitor for its settings
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "PF_LOGGING_LEVEL": "WARNING",  # its log lines hold what people asked
}
"""Set for this process and every child, before any vendor package is imported: nothing phones home."""


def quiet_vendors(settings: Settings) -> None:
    """Switch off every telemetry, and keep prompt flow's files inside the workspace folder."""
    for name, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PF_HOME_DIRECTORY", str(settings.prompt_flow_home))
