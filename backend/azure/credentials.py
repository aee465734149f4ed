"""The ways to sign in, when each can be used, and the azure-identity credential behind it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from backend.domain_setup import SignInWay
from backend.i18n import _

CACHE_NAME = "phidesk"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
AZURE_VM_TAG = "7783-7084-3265-9085-8269-3286-77"
"""Chassis asset tag of every Azure VM: https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service"""


@dataclass(frozen=True)
class Way:
    title: Callable[[], str]
    help: Callable[[], str]
    is_interactive: bool


WAYS: dict[str, Way] = {
    "cli": Way(
        lambda: _("Azure CLI"), lambda: _("Uses the login of the az command on this computer."), is_interactive=False
    ),
    "device_code": Way(
        lambda: _("Code in a browser"),
        lambda: _("Shows a code that you enter on a page of Microsoft, on any device."),
        is_interactive=True,
    ),
    "browser": Way(
        lambda: _("Browser on this computer"),
        lambda: _("Opens a page of Microsoft in the browser of the computer that Phi Desk runs on."),
        is_interactive=True,
    ),
    "environment": Way(
        lambda: _("Service principal"),
        lambda: _("Uses AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET of the environment."),
        is_interactive=False,
    ),
    "managed_identity": Way(
        lambda: _("Managed identity"),
        lambda: _("Uses the identity of the Azure machine that Phi Desk runs on."),
        is_interactive=False,
    ),
}


def ways_to_sign_in(host: str) -> Sequence[SignInWay]:
    return [
        SignInWay(id, way.title(), way.help(), why_not(id, host), opens_window=id == "browser")
        for id, way in WAYS.items()
    ]


def why_not(way: str, host: str) -> str:
    """Why a way can't be used here, or the empty string. Asks no network and starts no process."""
    if way == "cli":
        return _why_not_cli()
    if way == "browser":
        return _why_not_browser(host)
    if way == "environment":
        missing = [name for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID") if not os.environ.get(name)]
        if not (os.environ.get("AZURE_CLIENT_SECRET") or os.environ.get("AZURE_CLIENT_CERTIFICATE_PATH")):
            missing.append("AZURE_CLIENT_SECRET")
        return _("Not set in the environment: {names}.").format(names=", ".join(missing)) if missing else ""
    if way == "managed_identity":
        return "" if _may_have_identity() else _("This computer is no Azure machine with a managed identity.")
    return ""


def _why_not_cli() -> str:
    if shutil.which("az") is None:
        return _("The Azure CLI (az) is not installed here.")
    folder = Path(os.environ.get("AZURE_CONFIG_DIR") or Path.home() / ".azure")
    try:
        profile = json.loads((folder / "azureProfile.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        profile = {}
    if not profile.get("subscriptions"):
        return _("The Azure CLI is not signed in. Run az login in a terminal.")
    return ""


def _why_not_browser(host: str) -> str:
    if host not in LOOPBACK:
        return _("Phi Desk serves other computers, and Microsoft answers only to this one. Use a code instead.")
    has_display = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if sys.platform.startswith("linux") and not has_display:
        return _("This computer has no display to open a browser on. Use a code instead.")
    return ""


def _may_have_identity() -> bool:
    if any(os.environ.get(name) for name in ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_FEDERATED_TOKEN_FILE")):
        return True
    try:
        tag = Path("/sys/class/dmi/id/chassis_asset_tag").read_text(encoding="utf-8")
    except OSError:
        return False
    return tag.strip() == AZURE_VM_TAG


@cache
def has_encrypted_store() -> bool:
    """Whether this system keeps secrets encrypted; without it, tokens stay in memory."""
    if os.environ.get("PYTHON_KEYRING_BACKEND", "").endswith("fail.Keyring"):  # "keep nothing", as keyring has it
        return False
    import msal_extensions
    from msal_extensions.persistence import PersistenceNotFound

    if sys.platform.startswith("linux") and not os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            msal_extensions.build_encrypted_persistence(str(Path(folder) / "trial"))
        except (ImportError, RuntimeError, OSError, PersistenceNotFound):
            return False
        except Exception as error:
            # libsecret's errors come from GLib, whose module is only there when it is installed
            if type(error).__module__.startswith(("gi.", "msal_extensions.")):
                return False
            raise
    return True


class Interactive:
    """A person's sign-in: asks once, by `authenticate`, and then only renews; never asks in the middle of work."""

    def __init__(self, inner: Any, keeps_tokens: bool) -> None:
        self.inner = inner
        self.keeps_tokens = keeps_tokens

    def authenticate(self, scopes: Sequence[str]) -> Any:
        return self.inner.authenticate(scopes=scopes)

    def get_token(self, *scopes: str, **options: Any) -> Any:
        return self.inner.get_token(*scopes, **options)


def make_credential(
    way: str,
    tenant: str = "",
    record: str = "",
    prompt: Callable[[str, str, datetime], None] | None = None,
    transport: Any = None,
) -> Any:
    """The credential of a way. `record` is what an earlier `authenticate` gave, serialized. Imports azure-identity."""
    from azure import identity

    from backend.azure.transport import RETRIES

    pipeline: dict[str, Any] = dict(RETRIES) | ({"transport": transport} if transport else {})
    others: dict[str, Any] = {"additionally_allowed_tenants": ["*"]}
    if way == "cli":
        return identity.AzureCliCredential(tenant_id=tenant, process_timeout=30, **others)
    if way == "environment":
        return identity.EnvironmentCredential(**pipeline, **others)
    if way == "managed_identity":
        client = os.environ.get("AZURE_CLIENT_ID") or os.environ.get("DEFAULT_IDENTITY_CLIENT_ID")
        return identity.ManagedIdentityCredential(client_id=client, **pipeline)
    keeps = has_encrypted_store()
    options: dict[str, Any] = {"disable_automatic_authentication": True} | pipeline | others
    if keeps:
        options["cache_persistence_options"] = identity.TokenCachePersistenceOptions(name=CACHE_NAME)
    if tenant:
        options["tenant_id"] = tenant
    if record:
        options["authentication_record"] = identity.AuthenticationRecord.deserialize(record)
    if way == "browser":
        return Interactive(identity.InteractiveBrowserCredential(timeout=300, **options), keeps)
    return Interactive(identity.DeviceCodeCredential(prompt_callback=prompt, **options), keeps)


@dataclass(frozen=True)
class Claims:
    account: str
    tenant: str


def claims_of(token: str) -> Claims:
    """Who an access token speaks for, to be shown; it is Azure that checks it. Unreadable ones give empty words."""
    try:
        body = token.split(".")[1]
        values = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError):
        return Claims("", "")
    names = ("upn", "unique_name", "preferred_username", "app_displayname", "appid", "oid")
    account = next((str(values[name]) for name in names if values.get(name)), "")
    return Claims(account, str(values.get("tid") or ""))
