"""Builds the object graph. The only place that names the targets; vendor packages load when they are first asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from backend.azure.target import AzureTarget
from backend.chatting import Chatting
from backend.conversations import Conversations
from backend.datasets import Datasets
from backend.deployments import Deployments
from backend.errors import BadInput, Conflict
from backend.evaluation import Evaluation
from backend.i18n import _
from backend.local.target import LocalTarget
from backend.settings import Settings, quiet_vendors
from backend.studio.atomic_files import write_atomically
from backend.studio.rated_chats import collect
from backend.target import Target
from backend.training import Training


@dataclass(frozen=True)
class Desk:
    """Everything that a page or a command may ask. `target` is the one in use, of all `targets` by name."""

    settings: Settings
    targets: Mapping[str, Target]
    target: Target
    datasets: Datasets
    training: Training
    deployments: Deployments
    chatting: Chatting
    evaluation: Evaluation


def build(settings: Settings | None = None) -> Desk:
    """Raises BadInput when `PHIDESK_TARGET` names none of the targets."""
    settings = settings or Settings()
    quiet_vendors(settings)
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    targets: dict[str, Target] = {target.name: target for target in (LocalTarget(settings), AzureTarget(settings))}
    return assemble(settings, targets, targets[_chosen(settings, targets)])


def assemble(settings: Settings, targets: Mapping[str, Target], target: Target) -> Desk:
    """The services over the target in use."""
    hub_token = settings.hf_token.get_secret_value() if settings.hf_token else None
    datasets = Datasets(
        settings.datasets_folder,
        hub_token=hub_token,
        resolve=_tokenizer_finder(targets),
        rated=lambda: collect(Conversations(settings.database).rated()),
    )
    return Desk(
        settings=settings,
        targets=targets,
        target=target,
        datasets=datasets,
        training=Training(target, datasets),
        deployments=Deployments(target),
        chatting=Chatting(target, settings.database),
        evaluation=Evaluation(target, datasets),
    )


def _tokenizer_finder(targets: Mapping[str, Target]) -> Callable[[str], str]:
    """Where a base model's tokenizer is: on this computer, whichever target trains."""
    here = next((target for target in targets.values() if isinstance(target, LocalTarget)), None)

    def find(base: str) -> str:
        return base if here is None or base.startswith("azureml:") else here.bases.resolve(base)

    return find


def choose_target(desk: Desk, name: str) -> Desk:
    """The same desk over another target, which is used from now on. Raises BadInput, or Conflict where it is fixed."""
    if name not in desk.targets:
        raise _no_such_target(name, desk.targets)
    if desk.settings.target and desk.settings.target != name:
        raise Conflict(
            _("The target is fixed to {name}.").format(name=desk.settings.target),
            why=_("The environment variable PHIDESK_TARGET says so."),
            how_to_fix=_("Remove the variable and start again."),
            code="target_fixed",
        )
    write_atomically(desk.settings.target_file, f"{name}\n".encode())
    return assemble(desk.settings, desk.targets, desk.targets[name])


def _chosen(settings: Settings, targets: Mapping[str, Target]) -> str:
    """By the environment, else as chosen last, else the first: this computer."""
    if settings.target:
        if settings.target not in targets:
            raise _no_such_target(settings.target, targets)
        return settings.target
    try:
        name = settings.target_file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        name = ""
    return name if name in targets else next(iter(targets))


def _no_such_target(name: str, targets: Mapping[str, Target]) -> BadInput:
    return BadInput(
        _("There is no target {name}.").format(name=name),
        how_to_fix=_("Use one of: {names}.").format(names=", ".join(targets)),
        code="no_such_target",
    )
