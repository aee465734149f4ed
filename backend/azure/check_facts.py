"""What one round of checks asks Azure: each question once, by whichever check comes first, side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from backend.azure.compute import list_computes
from backend.azure.config import AzureConfig
from backend.azure.connection import Connection, Workspace
from backend.azure.errors import in_words
from backend.azure.identity import Identity, find_identity
from backend.azure.providers import missing_providers
from backend.azure.quota import QuotaTable, read_quota
from backend.azure.rights import Permission, list_permissions
from backend.azure.roles import Assignment, list_assignments
from backend.azure.sizes import Offered, list_offered
from backend.i18n import _

SUBSCRIPTION_VERSION = "2022-12-01"
# Offers that include free credit and get no GPU quota, by the beginning of Azure's id of the offer.
_BENEFITS = ("FreeTrial", "AzureForStudents", "MSDN", "MPN", "BizSpark", "AzurePass", "Sponsored", "DreamSpark")

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Subscription:
    id: str
    name: str
    state: str
    is_benefit: bool


class Facts:
    """A question that failed fails the same way for every check that needs its answer."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.config: AzureConfig = connection.config
        self._lock = threading.Lock()
        self._answers: dict[str, Future[Any]] = {}

    def _once(self, name: str, ask: Callable[[], Answer]) -> Answer:
        with self._lock:
            future = self._answers.get(name)
            is_mine = future is None
            if future is None:
                future = self._answers[name] = Future()
        if is_mine:
            try:
                future.set_result(ask())
            except BaseException as error:  # noqa: BLE001 - raised again below; whoever waits must hear of it too
                future.set_exception(error)
        return cast(Answer, future.result())

    def subscription(self) -> Subscription:
        return self._once("subscription", self._ask_subscription)

    def _ask_subscription(self) -> Subscription:
        subscription = self.connection.subscription()
        with in_words(_("Looking up the subscription")):
            found = self.connection.arm("GET", f"/subscriptions/{subscription}", SUBSCRIPTION_VERSION)
        policies = found.get("subscriptionPolicies") or {}
        offer = str(policies.get("quotaId") or "")
        is_benefit = offer.startswith(_BENEFITS) or str(policies.get("spendingLimit") or "").lower() == "on"
        return Subscription(
            subscription, str(found.get("displayName") or ""), str(found.get("state") or ""), is_benefit
        )

    def missing_providers(self) -> dict[str, str]:
        return self._once("providers", lambda: missing_providers(self.connection, self.connection.subscription()))

    def permissions(self) -> tuple[Permission, ...]:
        return self._once("permissions", lambda: list_permissions(self.connection))

    def workspace(self) -> Workspace:
        return self._once("workspace", self.connection.workspace)

    def region(self) -> str:
        """The workspace's; before there is one, the chosen one."""
        return self.config.region or self.workspace().region

    def identity(self) -> Identity | None:
        return self._once("identity", lambda: find_identity(self.connection))

    def assignments(self, scope: str, principal: str) -> tuple[Assignment, ...]:
        return self._once(f"roles {scope}", lambda: list_assignments(self.connection, scope, principal))

    def quota(self) -> QuotaTable:
        return self._once("quota", lambda: read_quota(self.connection, self.connection.subscription(), self.region()))

    def offered(self) -> dict[str, Offered]:
        """Sizes of the region by their name in lower case."""
        return self._once("sizes", self._ask_offered)

    def _ask_offered(self) -> dict[str, Offered]:
        found = list_offered(self.connection, self.connection.subscription(), self.region())
        return {one.name.lower(): one for one in found}

    def clusters(self) -> list[dict[str, Any]]:
        return self._once("clusters", lambda: list_computes(self.connection))
