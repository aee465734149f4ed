"""The Azure doctor: every precondition from sign-in to chat, asked side by side; one that fails hides no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from backend.azure import check_access, check_quota
from backend.azure.check_access import PORTAL
from backend.azure.check_facts import Facts
from backend.azure.connection import Connection
from backend.azure.errors import Forbidden, NotChosen, SignedOut
from backend.azure.roles_needed import role_for
from backend.domain_setup import Check
from backend.errors import PhiDeskError
from backend.i18n import _

THREADS = 8


class AzureChecks:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def check(self) -> Sequence[Check]:
        """Asks anew each time. In the order in which a person mends them."""
        self.connection.forget_workspace()
        facts = Facts(self.connection)
        try:
            self.connection.credential()
        except SignedOut as error:
            return [_red("signed_in", _("Signed in"), error)]
        with ThreadPoolExecutor(max_workers=THREADS) as pool:
            answers = list(pool.map(lambda row: _run(*row, facts=facts), _rows()))
        said: dict[str, str] = {}
        return [_once(answer, said) if isinstance(answer, _Failed) else answer for answer in answers]


def _rows() -> list[tuple[str, str, Callable[[Facts], Check]]]:
    """Id (stable), title when even that much can't be asked, and the check."""
    return [
        ("signed_in", _("Signed in"), check_access.check_signed_in),
        ("subscription", _("Subscription"), check_access.check_subscription),
        ("providers", _("Resource providers"), check_access.check_providers),
        ("rights", _("Your rights"), check_access.check_rights),
        ("give_roles", _("Your right to give roles"), check_access.check_may_give_roles),
        ("workspace", _("Workspace"), check_workspace),
        ("tracking", _("Tracking address"), check_tracking),
        ("identity", _("Managed identity"), check_access.check_identity),
        ("role_contributor", _("Role {role}").format(role="Contributor"), check_access.check_contributor),
        ("role_storage", _("Role {role}").format(role="Storage Blob Data Reader"), check_access.check_blob_reader),
        ("role_registry", _("Role {role}").format(role="AcrPull"), check_access.check_acr_pull),
        ("registry", _("Container registry"), check_registry),
        ("quota_training", _("Cores for training"), check_quota.check_training_quota),
        ("quota_low_priority", _("Cores for training at low priority"), check_quota.check_low_priority_quota),
        ("quota_serving", _("Cores for endpoints"), check_quota.check_serving_quota),
        ("compute", _("Compute"), check_compute),
    ]


@dataclass(frozen=True)
class _Failed:
    """A check that could not be made, shown as `check`."""

    check: Check
    error: PhiDeskError


def _run(id: str, title: str, check: Callable[[Facts], Check], *, facts: Facts) -> Check | _Failed:
    try:
        return replace(check(facts), id=id)
    except PhiDeskError as error:
        return _Failed(_red(id, title, error, _sentence(error, facts)), error)


def _once(failed: _Failed, said: dict[str, str]) -> Check:
    """One missing choice or answer stops many checks: it is said at the first, and the others point there."""
    first = said.setdefault(str(failed.error), failed.check.name)
    if first == failed.check.name:
        return failed.check
    return Check(
        failed.check.name,
        False,
        _("Waits for the check {name}.").format(name=first),
        is_warning=True,
        id=failed.check.id,
    )


def _sentence(error: PhiDeskError, facts: Facts) -> str:
    """For an administrator, when a right to look is what lacks."""
    if not isinstance(error, Forbidden) or not error.action:
        return ""
    return _('Please give {account} the role {role} on {scope}: it lacks the right "{action}".').format(
        account=facts.connection.account.state().account,
        role=role_for(error.action),
        scope=error.scope or _("the subscription"),
        action=error.action,
    )


def _red(id: str, title: str, error: PhiDeskError, ask_admin: str = "") -> Check:
    """What waits for a choice, or may not be looked at, is not known: no alarm."""
    return Check(
        title,
        False,
        error.what,
        why=error.why,
        how_to_fix=error.how_to_fix,
        is_warning=isinstance(error, NotChosen | Forbidden),
        ask_admin=ask_admin,
        id=id,
    )


def check_workspace(facts: Facts) -> Check:
    workspace = facts.workspace()
    return Check(
        _("Workspace"),
        True,
        _("{name} in {region}").format(name=workspace.name, region=workspace.region),
        link=workspace.studio_url,
    )


def check_tracking(facts: Facts) -> Check:
    address = facts.workspace().tracking_uri
    return Check(
        _("Tracking address"),
        address.startswith("azureml://"),
        address or _("The workspace has none."),
        why=_("Metrics of runs are read and written there."),
        how_to_fix=_("Wait until the workspace is made completely, or make another."),
    )


def check_registry(facts: Facts) -> Check:
    registry = facts.workspace().container_registry
    what = (
        _("{name} is there.").format(name=registry.rpartition("/")[2])
        if registry
        else _("Azure makes it when the first image is built.")
    )
    return Check(_("Container registry"), True, what, link=f"{PORTAL}{registry}" if registry else "")


def check_compute(facts: Facts) -> Check:
    facts.workspace()
    names = [str(one.get("name")) for one in facts.clusters()]
    what = (
        _("{n} there: {names}").format(n=len(names), names=", ".join(names))
        if names
        else _("No cluster yet. The first training makes one; it costs nothing while nothing runs.")
    )
    return Check(_("Compute"), True, what)
