"""What still refers to a version of a dataset: runs and models of every place that can be asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from backend.domain import Dataset
from backend.domain_datasets import Version
from backend.domain_setup import SignInState
from backend.i18n import _
from backend.target import Target

MOST_RUNS = 10_000


def uses_of(targets: Iterable[Target], dataset: Dataset, versions: Sequence[Version]) -> Mapping[int, tuple[str, ...]]:
    """By version, in words: "the run ferries". A version without is in no use.

    A place where nobody is signed in is not asked: it holds copies of its own of what was trained on there. Raises
    PhiDeskError where a place should answer and doesn't.
    """
    found: dict[int, list[str]] = {}
    for target in targets:
        if not _is_connected(target):
            continue
        jobs = target.jobs.list(limit=MOST_RUNS)
        if not jobs and target.setup is None:
            continue  # the registry takes seconds to open, and here no model is without its run
        for job in jobs:
            if job.spec.dataset_id == dataset.id:
                folder = Path(job.spec.train_path).parent.name
                name = _("the run {name}").format(name=job.spec.name)
                _add(
                    found,
                    [one.number for one in versions if _is_of(one, folder, dataset, job.spec.dataset_sha256)],
                    name,
                )
        for model in target.models.list():
            name = _("the model {name}").format(name=model.ref)
            _add(found, [one.number for one in versions if one.sha256 == model.dataset_sha256], name)
    return {number: tuple(names) for number, names in found.items()}


def _is_connected(target: Target) -> bool:
    if target.setup is None:
        return True
    if target.setup.sign_in_state().state is not SignInState.SIGNED_IN:
        return False
    return all(one.chosen or one.is_optional for one in target.setup.choices())


def _is_of(version: Version, folder: str, dataset: Dataset, sha256: str) -> bool:
    """By the folder that the run reads, which it needs to be resumed; and by the content."""
    own = dataset.id if version.number == 1 else f"v{version.number}"
    return folder == own or version.sha256 == sha256


def _add(found: dict[int, list[str]], numbers: Iterable[int], name: str) -> None:
    for number in numbers:
        names = found.setdefault(number, [])
        if name not in names:
            names.append(name)
