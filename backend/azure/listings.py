"""What Azure has to choose from: tenants, subscriptions, groups, workspaces, regions. Kept for some seconds, so that
a page may ask as often as it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from backend.azure.connection import WORKSPACE_VERSION, Connection
from backend.azure.errors import in_words
from backend.azure.kept import Kept
from backend.domain_setup import Option
from backend.i18n import _

KEPT_SECONDS = 20
ML = "Microsoft.MachineLearningServices"
GROUPS_VERSION = "2021-04-01"
DEPENDENTS = {
    "storage_account": "Microsoft.Storage/storageAccounts",
    "key_vault": "Microsoft.KeyVault/vaults",
    "application_insights": "Microsoft.Insights/components",
    "container_registry": "Microsoft.ContainerRegistry/registries",
}
"""What a workspace stands on, by the field of its form."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Place:
    """Something with a region. `kind` is a workspace's: default, hub or project; `hub` is the ARM id of its hub."""

    id: str
    name: str
    region: str
    kind: str = ""
    hub: str = ""

    def option(self) -> Option:
        return Option(self.name, self.name, self.region)


class Listings:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._kept = Kept(KEPT_SECONDS)

    def forget(self) -> None:
        """The next question goes to Azure."""
        self._kept.forget()

    def _keep(self, question: tuple[object, ...], ask: Callable[[], Found]) -> Found:
        return self._kept.get((self.connection.account.sign_in_id, self.connection.config.tenant, *question), ask)

    def tenants(self) -> Sequence[Option]:
        def ask() -> Sequence[Option]:
            with in_words(_("Listing your tenants")):
                found = self.connection.arm_list("/tenants", "2022-12-01")
            return [
                Option(one["tenantId"], one.get("displayName") or one["tenantId"], one.get("defaultDomain") or "")
                for one in found
            ]

        return self._keep(("tenants",), ask)

    def subscriptions(self) -> Sequence[Option]:
        def ask() -> Sequence[Option]:
            with in_words(_("Listing your subscriptions")):
                found = self.connection.arm_list("/subscriptions", "2022-12-01")
            options = [
                Option(
                    one["subscriptionId"],
                    one.get("displayName") or one["subscriptionId"],
                    "" if one.get("state") in ("Enabled", None) else str(one["state"]),
                )
                for one in found
            ]
            return sorted(options, key=lambda option: option.title.lower())

        return self._keep(("subscriptions",), ask)

    def groups(self, subscription: str) -> Sequence[Place]:
        def ask() -> Sequence[Place]:
            with in_words(_("Listing the resource groups")):
                found = self.connection.arm_list(f"/subscriptions/{subscription}/resourceGroups", GROUPS_VERSION)
            return sorted(map(_place, found), key=lambda place: place.name.lower())

        return self._keep(("groups", subscription), ask)

    def workspaces(self, subscription: str, group: str) -> Sequence[Place]:
        """Hubs and projects too; they are kinds of workspaces."""

        def ask() -> Sequence[Place]:
            path = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{ML}/workspaces"
            with in_words(_("Listing the workspaces")):
                found = self.connection.arm_list(path, WORKSPACE_VERSION)
            return sorted(map(_place, found), key=lambda place: place.name.lower())

        return self._keep(("workspaces", subscription, group), ask)

    def identities(self, subscription: str, group: str) -> Sequence[Place]:
        def ask() -> Sequence[Place]:
            path = f"/subscriptions/{subscription}/resourceGroups/{group}"
            path += "/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
            with in_words(_("Listing the managed identities")):
                return [_place(one) for one in self.connection.arm_list(path, "2023-01-31")]

        return self._keep(("identities", subscription, group), ask)

    def regions(self, subscription: str) -> Sequence[Option]:
        """Those of the subscription in which Azure Machine Learning is offered."""

        def ask() -> Sequence[Option]:
            path = f"/subscriptions/{subscription}"
            with in_words(_("Listing the regions")):
                provider = self.connection.arm("GET", f"{path}/providers/{ML}", GROUPS_VERSION)
                known = self.connection.arm_list(f"{path}/locations", "2022-12-01")
            offered = {
                place
                for kind in provider.get("resourceTypes") or []
                if kind.get("resourceType") == "workspaces"
                for place in kind.get("locations") or []
            }
            options = [
                Option(one["name"], one.get("displayName") or one["name"])
                for one in known
                if not offered or one.get("displayName") in offered
            ]
            return sorted(options, key=lambda option: option.title)

        return self._keep(("regions", subscription), ask)

    def dependents(self, subscription: str, field: str) -> Sequence[Option]:
        """Existing ones that a new workspace may use."""

        def ask() -> Sequence[dict[str, Any]]:
            wish = " or ".join(f"resourceType eq '{kind}'" for kind in DEPENDENTS.values())
            with in_words(_("Listing what is there already")):
                return self.connection.arm_list(
                    f"/subscriptions/{subscription}/resources?$filter={wish}", GROUPS_VERSION
                )

        return [
            Option(one["id"], one["name"], f"{_group_of(one['id'])}, {one.get('location')}")
            for one in self._keep(("dependents", subscription), ask)
            if one["type"].lower() == DEPENDENTS[field].lower()
        ]


def _place(one: dict[str, Any]) -> Place:
    facts = one.get("properties") or {}
    return Place(
        one["id"],
        one["name"],
        str(one.get("location") or ""),
        str(one.get("kind") or "default").lower(),
        str(facts.get("hubResourceId") or ""),
    )


def _group_of(id: str) -> str:
    return id.split("/")[4]
