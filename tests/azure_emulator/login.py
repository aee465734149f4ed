"""login.microsoftonline.com: client secret, device code, refresh; and who may call with which token."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from tests.azure_emulator import roles
from tests.azure_emulator.wire import Reply, Request, error, routes
from tests.azure_emulator.world import CLIENT_ID, CLIENT_SECRET, TENANT, USER, USER_ID, World

if TYPE_CHECKING:
    from tests.azure_emulator import world as _world

HOST = r"login\.microsoftonline\.com"
TENANT_PATH = rf"/(?P<tenant>{TENANT}|organizations|common)"
LIFETIME = 3600
BROWSER_CODE = "code-of-the-browser"


def _segment(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@dataclass
class DeviceCode:
    user_code: str
    expires: float
    state: str = "pending"  # pending, approved, declined


@dataclass
class Login:
    world: _world.World
    access: dict[str, float] = field(default_factory=dict)  # token: when it expires
    refresh: set[str] = field(default_factory=set)
    devices: dict[str, DeviceCode] = field(default_factory=dict)

    def issue(self, audience: str, *, app: bool = False, lifetime: float = LIFETIME) -> str:
        """An unsigned JWT that this world accepts."""
        now = self.world.now()
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{TENANT}/",
            "iat": int(now),
            "nbf": int(now),
            "exp": int(now + lifetime),
            "tid": TENANT,
            "oid": USER_ID,
            "sub": USER_ID,
            "appid": CLIENT_ID,
            "jti": uuid.uuid4().hex,
        }
        claims |= {"idtyp": "app"} if app else {"upn": USER, "unique_name": USER, "name": "Ada Lovelace"}
        token = f"{_segment({'alg': 'none', 'typ': 'JWT'})}.{_segment(claims)}.emulated"
        with self.world.lock:
            self.access[token] = now + lifetime
        return token

    def refusal(self, request: Request) -> Reply | None:
        """None when the request carries a token that is good now and its owner may do this; else Azure's 401 or 403."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token:
            return _unauthorized(
                "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
            )
        expires = self.access.get(token)
        if expires is None:
            return _unauthorized("InvalidAuthenticationToken", "The access token is invalid.")
        if expires <= self.world.now():
            return _unauthorized("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than now.")
        return roles.refusal(request, self.world) if request.host == "management.azure.com" else None

    def expire_tokens(self, *, also_refresh: bool = False) -> None:
        """Every access token is over; with `also_refresh` the person must sign in again."""
        with self.world.lock:
            self.access = dict.fromkeys(self.access, 0.0)
            if also_refresh:
                self.refresh.clear()

    def pending_device_codes(self) -> list[str]:
        return [device.user_code for device in self.devices.values() if device.state == "pending"]

    def approve_device(self, user_code: str) -> None:
        self._device(user_code).state = "approved"

    def decline_device(self, user_code: str) -> None:
        self._device(user_code).state = "declined"

    def _device(self, user_code: str) -> DeviceCode:
        return next(device for device in self.devices.values() if device.user_code == user_code)

    def tokens(self, scope: str, client: str, *, user: bool, nonce: str = "") -> Reply:
        resource = next(
            (word.rpartition("/")[0] for word in scope.split() if word.endswith("/.default")),
            "https://management.azure.com",
        )
        body: dict[str, Any] = {
            "token_type": "Bearer",
            "scope": scope,
            "expires_in": LIFETIME,
            "ext_expires_in": LIFETIME,
            "access_token": self.issue(resource, app=not user),
        }
        if user:
            now = int(self.world.now())
            identity = {
                "aud": client,
                "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
                "iat": now,
                "exp": now + LIFETIME,
                "tid": TENANT,
                "oid": USER_ID,
                "sub": USER_ID,
                "preferred_username": USER,
                "name": "Ada Lovelace",
                "nonce": nonce,
            }
            body["id_token"] = f"{_segment({'alg': 'none', 'typ': 'JWT'})}.{_segment(identity)}.emulated"
            body["client_info"] = _segment({"uid": USER_ID, "utid": TENANT})
            body["refresh_token"] = f"refresh-{uuid.uuid4().hex}"
            self.refresh.add(body["refresh_token"])
        return Reply(200, body, {"Cache-Control": "no-store"})


def _unauthorized(code: str, message: str) -> Reply:
    return error(401, code, message, WWW_Authenticate=f'Bearer error="invalid_token", error_description="{message}"')


def _denied(code: str, description: str, number: int) -> Reply:
    body = {"error": code, "error_description": f"AADSTS{number}: {description}", "error_codes": [number]}
    return Reply(401 if code == "invalid_client" else 400, body)


@routes.on(HOST, "GET", r"/common/discovery/instance", anonymous=True)
def instances(request: Request, world: World) -> Reply:
    names = ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"]
    return Reply(
        200,
        {
            "tenant_discovery_endpoint": f"https://{request.host}/{TENANT}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": names[0], "preferred_cache": names[1], "aliases": names}],
        },
    )


@routes.on(HOST, "GET", TENANT_PATH + r"/v2\.0/\.well-known/openid-configuration", anonymous=True)
def openid_configuration(request: Request, world: World, tenant: str) -> Reply:
    base = f"https://{request.host}/{tenant}"
    issuer = tenant if tenant == TENANT else "{tenantid}"
    return Reply(
        200,
        {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "issuer": f"https://{request.host}/{issuer}/v2.0",
            "tenant_region_scope": None,
            "cloud_instance_name": "microsoftonline.com",
        },
    )


@routes.on(HOST, "GET", r"/[^/]+/v2\.0/\.well-known/openid-configuration", anonymous=True)
def unknown_tenant(request: Request, world: World) -> Reply:
    tenant = request.path.split("/")[1]
    return _denied(
        "invalid_tenant", f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.", 90002
    )


@routes.on(HOST, "POST", TENANT_PATH + r"/oauth2/v2\.0/devicecode", anonymous=True)
def device_code(request: Request, world: World, tenant: str) -> Reply:
    code = f"device-{uuid.uuid4().hex}"
    device = DeviceCode(uuid.uuid4().hex[:9].upper(), world.now() + 900)
    with world.lock:
        world.login.devices[code] = device
    where = "https://microsoft.com/devicelogin"
    return Reply(
        200,
        {
            "user_code": device.user_code,
            "device_code": code,
            "verification_uri": where,
            "expires_in": 900,
            "interval": 1,
            "message": f"To sign in, use a web browser to open the page {where} and enter the code "
            f"{device.user_code} to authenticate.",
        },
    )


@routes.on(HOST, "POST", TENANT_PATH + r"/oauth2/v2\.0/token", anonymous=True)
def token(request: Request, world: World, tenant: str) -> Reply:
    form = dict(parse_qsl(request.body.decode()))
    grant, scope, client = form.get("grant_type", ""), form.get("scope", ""), form.get("client_id", "")
    if grant == "client_credentials":
        if (client, form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return _denied("invalid_client", "Invalid client secret provided.", 7000215)
        return world.login.tokens(scope, client, user=False)
    if grant == "refresh_token":
        if form.get("refresh_token") not in world.login.refresh:
            return _denied("invalid_grant", "The refresh token has expired due to inactivity.", 700082)
        return world.login.tokens(scope, client, user=True)
    if grant == "authorization_code":  # as tests' browsers make it: BROWSER_CODE and the nonce of the request
        prefix, _, nonce = form.get("code", "").partition(".")
        if prefix != BROWSER_CODE:
            return _denied("invalid_grant", "The authorization code is not valid.", 70000)
        return world.login.tokens(scope, client, user=True, nonce=nonce)
    if grant.endswith("device_code"):
        return _device_token(world, form.get("device_code", ""), scope, client)
    return _denied("unsupported_grant_type", f"The grant type '{grant}' is not supported.", 70003)


def _device_token(world: World, code: str, scope: str, client: str) -> Reply:
    device = world.login.devices.get(code)
    if device is None or device.expires <= world.now():
        return _denied("expired_token", "The device code has expired.", 70020)
    if device.state == "pending":
        return _denied("authorization_pending", "The user has not signed in yet.", 70016)
    if device.state == "declined":
        return _denied("authorization_declined", "The user declined.", 70018)
    return world.login.tokens(scope, client, user=True)
