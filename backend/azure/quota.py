"""Cores by family: what may be used, what is, whether it is enough, and asking for more (Microsoft.Quota)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.domain_setup import Purpose, Quota
from backend.i18n import _

USAGES_VERSION = "2023-08-01-preview"
ALL_DEDICATED = "TotalDedicatedCores"
LOW_PRIORITY = "TotalLowPriorityCores"
"""One pool for the region, not split by family; also its name at Microsoft.Quota."""
SERVING_RESERVE = 0.2
QUOTA_PAGE = "https://portal.azure.com/#view/Microsoft_Azure_Capacity/QuotaMenuBlade/~/myQuotas"

# "Skip 20% Reservation" in the list of endpoint sizes: these are scarce, and nothing extra is kept for upgrades.
_WITHOUT_RESERVE = re.compile(r"Standard_(NC\d+ads_A100_v4|NC\d+adi?s_H100_v5|ND\w+)", re.IGNORECASE)


@dataclass(frozen=True)
class QuotaTable:
    """Of one subscription in one region, by family (see `_key`). A family that is not there has no quota at all."""

    families: Mapping[str, Quota]

    def of(self, family: str, size: str = "", purpose: Purpose = Purpose.TRAINING) -> Quota:
        found = self.families.get(_key(family))
        reserve = SERVING_RESERVE if purpose == Purpose.SERVING and has_reserve(size) else 0.0
        return Quota(family, found.limit if found else 0, found.used if found else 0, reserve)

    @property
    def region(self) -> Quota | None:
        """All dedicated cores together."""
        return self.families.get(_key(ALL_DEDICATED))

    @property
    def low_priority(self) -> Quota:
        return self.families.get(_key(LOW_PRIORITY)) or Quota(LOW_PRIORITY, 0, 0)


def read_quota(connection: Connection, subscription: str, region: str) -> QuotaTable:
    path = f"/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{region}/usages"
    families: dict[str, Quota] = {}
    with in_words(_("Looking up the quota")):
        rows = connection.arm_list(path, USAGES_VERSION)
    for row in rows:
        name = row.get("name") or {}
        # A family has two rows of the same name, and the low-priority one says nothing (limit -1).
        words = f"{row.get('type', '')} {name.get('localizedValue', '')}".lower()
        value = name.get("value") or ""
        if _key(value) != _key(LOW_PRIORITY) and ("lowpriority" in words or "low priority" in words):
            value = LOW_PRIORITY if "total" in words else ""
        if value:
            families[_key(value)] = Quota(value, int(row.get("limit") or 0), int(row.get("currentValue") or 0))
    return QuotaTable(families)


def _key(family: str) -> str:
    """`standardNCADSA100v4Family` and "Standard NCADSA100v4 Family Cluster Dedicated vCPUs" are one family."""
    plain = re.sub(r"[^a-z0-9]", "", family.lower())
    plain = re.sub(r"(cluster)?(dedicated)?(regional)?vcpus$", "", plain)
    return {"total": "totaldedicatedcores"}.get(plain, plain)


def has_reserve(size: str) -> bool:
    return not _WITHOUT_RESERVE.fullmatch(size)


def cores_needed(size: str, cpus: int, machines: int, purpose: Purpose) -> int:
    """Endpoints reserve whole machines: ceil(1.2 x instances) x cores, learn.microsoft.com/azure/machine-learning/
    how-to-manage-quotas ("Virtual machine quota allocation for deployment")."""
    if purpose == Purpose.SERVING and has_reserve(size):
        machines = math.ceil(round(machines * (1 + SERVING_RESERVE), 6))
    return machines * cpus


def shortage(table: QuotaTable, family: str, needed: int) -> str:
    """Why so many dedicated cores can't be had, or the empty string."""
    quota = table.of(family)
    if quota.limit >= 0 and quota.limit - quota.used < needed:  # -1 is no limit
        return _("It needs {needed} cores; the limit is {limit}, {used} are used.").format(
            needed=needed, limit=quota.limit, used=quota.used
        )
    region = table.region
    if region is not None and region.limit >= 0 and region.limit - region.used < needed:
        return _("It needs {needed} cores; all sizes together have {limit} in this region, {used} are used.").format(
            needed=needed, limit=region.limit, used=region.used
        )
    return ""


@dataclass(frozen=True)
class QuotaRequest:
    """The newest request for a family. `state` is Azure's word."""

    wanted: int
    state: str
    message: str

    @property
    def is_pending(self) -> bool:
        return self.state in ("Accepted", "InProgress")

    @property
    def is_refused(self) -> bool:
        return self.state in ("Failed", "Invalid")


def _scope(subscription: str, region: str) -> str:
    return f"subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{region}"


def find_request(connection: Connection, subscription: str, region: str, family: str) -> QuotaRequest | None:
    """What became of the last request for this family."""
    from azure.mgmt.quota import QuotaMgmtClient

    with in_words(_("Asking about quota requests")):
        client = connection.management(QuotaMgmtClient, subscription)
        newest: tuple[str, QuotaRequest] | None = None
        for request in client.quota_request_status.list(_scope(subscription, region)):
            facts = request.properties
            if facts is None:
                continue
            for part in facts.value or []:
                if not part.name or _key(part.name.value or "") != _key(family):
                    continue
                state = part.provisioning_state or facts.provisioning_state
                found = QuotaRequest(
                    wanted=getattr(part.limit, "value", 0) or 0,
                    state=str(getattr(state, "value", state) or ""),
                    message=(facts.error.message if facts.error else None) or part.message or facts.message or "",
                )
                moment = str(facts.request_submit_time or "")
                if newest is None or moment >= newest[0]:
                    newest = moment, found
    return newest[1] if newest else None


def ask_for_quota(connection: Connection, subscription: str, region: str, family: str, limit: int) -> None:
    """Sends the request and returns; `find_request` tells what became of it. The same one again is no second."""
    from azure.mgmt.quota import QuotaMgmtClient
    from azure.mgmt.quota.models import CurrentQuotaLimitBase, LimitObject, QuotaProperties, ResourceName

    pending = find_request(connection, subscription, region, family)
    if pending is not None and pending.is_pending and pending.wanted >= limit:
        return
    if read_quota(connection, subscription, region).of(family).limit >= limit:  # granted meanwhile
        return
    kind = "lowPriority" if family == LOW_PRIORITY else "dedicated"
    wish = CurrentQuotaLimitBase(
        properties=QuotaProperties(limit=LimitObject(value=limit), name=ResourceName(value=family), resource_type=kind)
    )
    with in_words(_("Asking for quota")):
        client = connection.management(QuotaMgmtClient, subscription)
        # Each one that arrives is a request of its own. When the answer is lost it is not sent again blindly (behind
        # a proxy that counts as no connection); the next try looks for it first.
        once: dict[str, Any] = {"retry_read": 0, "retry_connect": 0}
        client.quota.begin_create_or_update(family, _scope(subscription, region), wish, polling=False, **once)
