"""The one door to the Azure SDKs: clients with our sign-in, timeouts, retries and log. Vendors load when asked."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from backend.azure.config import AzureConfig, ConfigFile
from backend.azure.errors import NotChosen, in_words
from backend.azure.sign_in import Account
from backend.azure.tags import BY, LONGEST_TAG, marked
from backend.i18n import _
from backend.settings import Settings

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential

    from backend.azure.transport import LoggedTransport

ARM = "https://management.azure.com"
SCOPE = f"{ARM}/.default"
WORKSPACE_VERSION = "2024-10-01-preview"
WORKSPACE_SECONDS = 60

QUIET: dict[str, Any] = {"enable_telemetry": False, "show_progress": False}
# The package writes every missing asset that we look for, and each of its own experimental parts, to the terminal.
logging.getLogger("azure.ai.ml").setLevel(logging.CRITICAL)

Client = TypeVar("Client")


@dataclass(frozen=True)
class Workspace:
    """Facts of the chosen workspace. Ids are full ARM ids, empty where the workspace has none."""

    id: str
    name: str
    region: str
    storage_account: str
    container_registry: str
    key_vault: str
    insights: str
    tracking_uri: str
    studio_url: str

    @property
    def data_plane(self) -> str:
        """Host of run history and tracking, such as `eastus.api.azureml.ms`."""
        host = self.tracking_uri.removeprefix("azureml://").split("/")[0]
        return host or f"{self.region}.api.azureml.ms"


class Connection:
    """Cheap to make: nothing is imported and nothing asked before the first call."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.home / "azure"
        self._file = ConfigFile(self.folder / "config.json")
        self.account = Account(self.folder, self._tenant, settings)
        self._lock = threading.Lock()
        self._locks: dict[tuple[object, ...], threading.Lock] = {}
        self._kept: dict[tuple[object, ...], Any] = {}
        self._workspace: tuple[float, tuple[object, ...], Workspace] | None = None

    @property
    def config(self) -> AzureConfig:
        return self._file.read()

    def save(self, config: AzureConfig) -> None:
        self._file.write(config)

    def _tenant(self) -> str:
        return self.config.tenant

    def credential(self) -> TokenCredential:
        """Raises SignedOut."""
        return self.account.credential()

    def by(self) -> dict[str, str]:
        """The tag that says which account made something; empty when the account's name is not known."""
        account = self.account.state().account[:LONGEST_TAG]
        return {BY: account} if account else {}

    def marked(self, kind: str, **more: str) -> dict[str, str]:
        """The tags of something new that this account makes."""
        return marked(kind, **more) | self.by()

    def subscription(self) -> str:
        """Raises NotChosen."""
        return self._chosen("subscription", _("No subscription is chosen."))

    def group_path(self) -> str:
        """`/subscriptions/.../resourceGroups/...` of the chosen group. Raises NotChosen."""
        subscription = self.subscription()
        group = self._chosen("resource_group", _("No resource group is chosen."))
        return f"/subscriptions/{subscription}/resourceGroups/{group}"

    def workspace_path(self) -> str:
        """ARM path of the chosen workspace. Raises NotChosen."""
        group = self.group_path()
        name = self._chosen("workspace", _("No workspace is chosen."))
        return f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{name}"

    def _chosen(self, name: str, what: str) -> str:
        value: str = getattr(self.config, name)
        if not value:
            raise NotChosen(what, how_to_fix=_("Choose it on Setup."), code=f"no_{name}")
        return value

    def load_sdk(self) -> None:
        """In the background: it takes 5 seconds, many more on a busy machine, for which no page should wait."""
        threading.Thread(target=import_module, args=("azure.ai.ml",), name="phidesk-azure-sdk", daemon=True).start()

    def ml(self) -> MLClient:
        """Of the chosen workspace. Raises SignedOut or NotChosen."""
        self.workspace_path()
        config = self.config
        return self.ml_of(config.subscription, config.resource_group, config.workspace)

    def ml_of(self, subscription: str, resource_group: str, workspace: str | None = None) -> MLClient:
        """Of any workspace, or of a whole resource group."""

        def make() -> MLClient:
            from azure.ai.ml import MLClient

            return MLClient(self.credential(), subscription, resource_group, workspace, **QUIET, **self._pipeline())

        return self._keep(("ml", subscription, resource_group, workspace), make)

    def registry(self, name: str = "azureml") -> MLClient:
        """A registry of models and components that many share; the first call asks where it is."""

        def make() -> MLClient:
            from azure.ai.ml import MLClient

            with in_words(_("Opening the registry {name}").format(name=name)):
                return MLClient(self.credential(), registry_name=name, **QUIET, **self._pipeline())

        return self._keep(("registry", name), make)

    def management(self, client_class: Callable[..., Client], *args: Any, **kwargs: Any) -> Client:
        """A client of an `azure-mgmt-*` package: `client_class(credential, *args, **kwargs)` with our pipeline."""
        key = (client_class, args, tuple(sorted(kwargs.items())))
        return self._keep(key, lambda: client_class(self.credential(), *args, **kwargs, **self._pipeline()))

    def arm(self, method: str, path: str, api_version: str, body: Any = None) -> dict[str, Any]:
        """One call of Azure Resource Manager; `path` may have a query. The vendor's errors come as they are."""
        join = "&" if "?" in path else "?"
        return self._call(method, f"{ARM}{path}{join}api-version={api_version}", body)

    def find(self, path: str, api_version: str) -> dict[str, Any] | None:
        """None for what is not there."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return self.arm("GET", path, api_version)
        except ResourceNotFoundError:
            return None

    def arm_list(self, path: str, api_version: str) -> list[dict[str, Any]]:
        """All pages of a list."""
        page = self.arm("GET", path, api_version)
        found = list(page.get("value") or [])
        while page.get("nextLink"):
            page = self._call("GET", page["nextLink"], None)
            found += page.get("value") or []
        return found

    def data_plane(self, method: str, path: str, body: Any = None, *, region: str | None = None) -> dict[str, Any]:
        """One call of a workspace's run history, tracking or data service; without a region, of the chosen one."""
        host = f"{region}.api.azureml.ms" if region else self.workspace().data_plane
        return self._call(method, f"https://{host}{path}", body)

    def workspace(self) -> Workspace:
        """Facts of the chosen workspace, at most a minute old. Raises SignedOut, NotChosen or NotFound."""
        path = self.workspace_path()
        key = (self.account.sign_in_id, path)
        kept = self._workspace
        if kept and kept[1] == key and time.monotonic() - kept[0] < WORKSPACE_SECONDS:
            return kept[2]
        with in_words(_("Looking up the workspace")):
            found = self.arm("GET", path, WORKSPACE_VERSION)
        facts = found.get("properties") or {}
        tenant = self.config.tenant or self.account.state().tenant
        workspace = Workspace(
            id=path,
            name=str(found.get("name") or ""),
            region=str(found.get("location") or ""),
            storage_account=str(facts.get("storageAccount") or ""),
            container_registry=str(facts.get("containerRegistry") or ""),
            key_vault=str(facts.get("keyVault") or ""),
            insights=str(facts.get("applicationInsights") or ""),
            tracking_uri=str(facts.get("mlFlowTrackingUri") or ""),
            studio_url=f"https://ml.azure.com/?wsid={path}&tid={tenant}",
        )
        self._workspace = (time.monotonic(), key, workspace)
        return workspace

    def forget_workspace(self) -> None:
        """The next `workspace()` asks again."""
        self._workspace = None

    def _call(self, method: str, url: str, body: Any) -> dict[str, Any]:
        from azure.core.exceptions import map_error
        from azure.core.rest import HttpRequest
        from azure.mgmt.core.exceptions import ARMErrorFormat

        request = HttpRequest(method, url, json=body) if body is not None else HttpRequest(method, url)
        response = self._raw().send_request(request)
        if response.status_code >= 400:
            from azure.core.exceptions import (
                ClientAuthenticationError,
                HttpResponseError,
                ResourceExistsError,
                ResourceNotFoundError,
            )

            known = {401: ClientAuthenticationError, 404: ResourceNotFoundError, 409: ResourceExistsError}
            map_error(response.status_code, response, known)
            raise HttpResponseError(response=response, error_format=ARMErrorFormat)
        found = response.json() if response.content else {}
        return found if isinstance(found, dict) else {"value": found}

    def _raw(self) -> Any:
        """A client without opinions: the SDK's policies, but nothing that writes on its own."""

        def make() -> Any:
            from azure.core import PipelineClient
            from azure.core.pipeline import policies
            from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

            options = self._pipeline()
            transport = options.pop("transport")
            return PipelineClient(
                ARM,
                policies=[
                    policies.HeadersPolicy({"Accept": "application/json"}),
                    policies.UserAgentPolicy("phidesk"),
                    policies.ProxyPolicy(),
                    policies.RetryPolicy(**options),
                    ARMChallengeAuthenticationPolicy(self.credential(), SCOPE),
                    policies.CustomHookPolicy(),
                ],
                transport=transport,
            )

        return self._keep(("raw",), make)

    def _pipeline(self) -> dict[str, Any]:
        from backend.azure.transport import RETRIES

        return {"transport": self._transport(), **RETRIES}

    def _transport(self) -> LoggedTransport:
        def make() -> LoggedTransport:
            from backend.azure.transport import LoggedTransport

            number = self.account.sign_in_id
            return LoggedTransport(
                self.settings.azure_timeout_seconds, lambda: self.account.refuse(number, _("Azure answered 401."))
            )

        return self._keep(("transport",), make)

    def _keep(self, key: tuple[object, ...], make: Callable[[], Client]) -> Client:
        """Clients live as long as the sign-in they were made with."""
        self.credential()  # SignedOut comes before any client
        number = (self.account.sign_in_id, self.config.tenant)
        full = (number, *key)
        with self._lock:
            self._kept = {kept: client for kept, client in self._kept.items() if kept[0] == number}
            self._locks = {kept: lock for kept, lock in self._locks.items() if kept[0] == number}
            lock = self._locks.setdefault(full, threading.Lock())
        with lock:  # a registry's client asks where the registry is: nobody else waits for that
            client: Client | None = self._kept.get(full)
            if client is None:
                client = make()
                with self._lock:
                    self._kept[full] = client
            return client
