"""Builds the object graph. The only place that names the targets; vendor packages load when they are first asked."""

from __future__ import annotations

from dataclasses import dataclass

from backend.chatting import Chatting
from backend.datasets import Datasets
from backend.deployments import Deployments
from backend.evaluation import Evaluation
from backend.local.target import LocalTarget
from backend.settings import Settings, quiet_vendors
from backend.target import Target
from backend.training import Training


@dataclass(frozen=True)
class Desk:
    """Everything that a page or a command may ask."""

    settings: Settings
    target: Target
    datasets: Datasets
    training: Training
    deployments: Deployments
    chatting: Chatting
    evaluation: Evaluation


def build(settings: Settings | None = None) -> Desk:
    settings = settings or Settings()
    quiet_vendors(settings)
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = LocalTarget(settings)
    hub_token = settings.hf_token.get_secret_value() if settings.hf_token else None
    datasets = Datasets(settings.datasets_folder, hub_token=hub_token)
    return Desk(
        settings=settings,
        target=target,
        datasets=datasets,
        training=Training(target, datasets),
        deployments=Deployments(target),
        chatting=Chatting(target, settings.database),
        evaluation=Evaluation(target, datasets),
    )
