"""Who is signed in to Azure. What is remembered over a restart is the way and the account, in
`<home>/azure/sign_in.json`; tokens stay in memory, or in the system's encrypted store where there is one."""

from __future__ import annotations

import logging
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from backend.azure.config import read_private, write_private
from backend.azure.credentials import WAYS, claims_of, make_credential, ways_to_sign_in, why_not
from backend.azure.errors import SignedOut, explain, without_secrets
from backend.azure.sign_in_errors import renewal_error, sign_in_again, sign_in_failure
from backend.domain_setup import SignIn, SignInState, SignInWay
from backend.errors import BadInput
from backend.i18n import _
from backend.settings import Settings

log = logging.getLogger("phidesk.azure")

ARM_SCOPE = "https://management.azure.com/.default"
FRESH_SECONDS = 300
"""A token that ends sooner is renewed before it is used."""


@dataclass(frozen=True)
class _Remembered:
    """What the file holds. `record` is azure-identity's AuthenticationRecord, which names the account, no secret."""

    id: str
    way: str
    account: str = ""
    tenant: str = ""
    record: str = ""
    is_kept: bool = False


@dataclass
class _Held:
    """The sign-in of this process, with the credential that gives its tokens."""

    id: str
    credential: Any
    tokens: dict[tuple[object, ...], Any] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class _Attempt:
    sign_in: SignIn
    is_over: bool = False
    stop: Callable[[], None] = lambda: None


class Account:
    """The one sign-in of this desk. Every process reads the same file, so a sign-out counts for all."""

    def __init__(self, folder: Path, chosen_tenant: Callable[[], str], settings: Settings) -> None:
        self._path = folder / "sign_in.json"
        self.chosen_tenant = chosen_tenant
        self._settings = settings
        self._lock = threading.RLock()
        self._held: _Held | None = None
        self._attempt: _Attempt | None = None
        self._refusals: dict[str, str] = {}
        self.on_signed_in: list[Callable[[], None]] = []

    def ways(self) -> Sequence[SignInWay]:
        return ways_to_sign_in(self._settings.host)

    @property
    def sign_in_id(self) -> str:
        """Another one after each sign-in; empty when nobody is."""
        remembered = self._remembered()
        return remembered.id if remembered else ""

    @property
    def is_signed_in(self) -> bool:
        return self.state().state == SignInState.SIGNED_IN

    def state(self) -> SignIn:
        """Asks nobody: a sign-in counts as good until Azure refuses it."""
        attempt = self._attempt
        if attempt and attempt.sign_in.state == SignInState.PENDING:
            return attempt.sign_in
        remembered = self._remembered()
        if remembered is None:
            return attempt.sign_in if attempt else SignIn(SignInState.SIGNED_OUT)
        known = SignIn(SignInState.SIGNED_IN, remembered.way, remembered.account, remembered.tenant)
        lost = self._why_lost(remembered)
        if lost:
            failed = attempt.sign_in.failure if attempt else None  # the newest try says more than the old refusal
            return replace(known, state=SignInState.EXPIRED, failure=failed or sign_in_again(lost).failure())
        return replace(known, failure=attempt.sign_in.failure) if attempt else known

    def begin(self, way: str) -> SignIn:
        """Starts signing in, and returns at once. Raises BadInput for a way that can't be used here."""
        if way not in WAYS:
            raise BadInput(_("There is no way to sign in called {way}.").format(way=way), code="no_such_way")
        obstacle = why_not(way, self._settings.host)
        if obstacle:
            raise BadInput(
                _("This way to sign in can't be used here."),
                why=obstacle,
                how_to_fix=_("Choose another way to sign in."),
                code="way_not_usable",
            )
        attempt = _Attempt(SignIn(SignInState.PENDING, way, tenant=self.chosen_tenant()))
        with self._lock:
            self._end_attempt()
            self._attempt = attempt
        threading.Thread(target=self._sign_in, args=(way, attempt), name="phidesk-sign-in", daemon=True).start()
        return attempt.sign_in

    def forget(self) -> None:
        """Signs out. Signed out already is fine."""
        with self._lock:
            self._end_attempt()
            self._attempt = None
            remembered, held = self._remembered(), self._held
            self._path.unlink(missing_ok=True)
            self._held = None
            self._refusals.clear()
        if remembered and remembered.is_kept and held:
            _forget_kept_tokens(held.credential)

    def credential(self) -> Any:
        """What the SDKs ask for tokens. Raises SignedOut."""
        self._hold()
        return _Credential(self)

    def token(self, scopes: tuple[str, ...], claims: str | None, tenant: str | None, enable_cae: bool) -> Any:
        """An access token, renewed when it ends soon. Raises SignedOut, or Unavailable when nobody can be asked."""
        held = self._hold()
        key = (scopes, tenant, enable_cae)
        with held.lock:
            kept = held.tokens.get(key)
            if kept is not None and claims is None and kept.expires_on - time.time() > FRESH_SECONDS:
                return kept
            options: dict[str, Any] = {"enable_cae": enable_cae}
            if claims is not None:
                options["claims"] = claims
            if tenant:
                options["tenant_id"] = tenant
            try:
                token = held.credential.get_token(*scopes, **options)
            except Exception as error:
                refused = renewal_error(error)
                if refused is None:
                    raise
                if isinstance(refused, SignedOut):
                    self.refuse(held.id, refused.why)
                raise refused from None  # the vendor's own error may hold the whole reply
            held.tokens[key] = token
            return token

    def refuse(self, sign_in_id: str, why: str) -> None:
        """Azure no longer accepts this sign-in; until the next one, everything says so."""
        if sign_in_id and sign_in_id not in self._refusals:
            log.warning("the sign-in to Azure is over: %s", why)
            self._refusals[sign_in_id] = why

    def _hold(self) -> _Held:
        with self._lock:
            remembered = self._remembered()
            if remembered is None:
                raise SignedOut(
                    _("Nobody is signed in to Azure."), how_to_fix=_("Sign in on Setup."), code="signed_out"
                )
            lost = self._why_lost(remembered)
            if lost:
                raise sign_in_again(lost)
            if self._held is None or self._held.id != remembered.id:
                credential = make_credential(remembered.way, remembered.tenant, remembered.record)
                self._held = _Held(remembered.id, credential)
            return self._held

    def _why_lost(self, remembered: _Remembered) -> str:
        if remembered.id in self._refusals:
            return self._refusals[remembered.id]
        in_memory = WAYS[remembered.way].is_interactive and not remembered.is_kept
        if in_memory and (self._held is None or self._held.id != remembered.id):
            return _(
                "This computer has no encrypted store for sign-ins, so you sign in again after each start of Phi Desk."
            )
        return ""

    def _remembered(self) -> _Remembered | None:
        values = read_private(self._path)
        try:
            remembered = _Remembered(**values) if values else None
        except TypeError:
            return None
        return remembered if remembered and remembered.way in WAYS else None

    def _end_attempt(self) -> None:
        if self._attempt and not self._attempt.is_over:
            self._attempt.is_over = True
            self._attempt.stop()

    def _sign_in(self, way: str, attempt: _Attempt) -> None:
        from backend.azure.transport import LoggedTransport

        transport = LoggedTransport(self._settings.azure_timeout_seconds)

        def stop() -> None:
            transport.is_stopped = True

        def show(url: str, code: str, expires: datetime) -> None:
            attempt.sign_in = replace(attempt.sign_in, url=url, code=code, code_expires_at=expires)

        attempt.stop = stop
        try:
            credential = make_credential(way, self.chosen_tenant(), prompt=show, transport=transport)
            record = credential.authenticate(scopes=[ARM_SCOPE]) if WAYS[way].is_interactive else None
            token = credential.get_token(ARM_SCOPE)
        except Exception as error:  # noqa: BLE001  at a thread's border; shown on the page, and logged
            self._failed(attempt, error)
            return
        known = claims_of(token.token)
        remembered = _Remembered(
            secrets.token_hex(8),
            way,
            record.username if record else known.account,
            record.tenant_id if record else known.tenant,
            record.serialize() if record else "",
            bool(record and credential.keeps_tokens),
        )
        with self._lock:
            if attempt.is_over:
                return
            attempt.is_over = True
            self._held = _Held(remembered.id, credential)
            write_private(self._path, asdict(remembered))
            self._attempt = None
        log.info("signed in to Azure by %s", way)
        for follow in self.on_signed_in:
            follow()

    def _failed(self, attempt: _Attempt, error: Exception) -> None:
        known = explain(error, _("Signing in"))
        if known is None:
            log.error("signing in failed\n%s", without_secrets("".join(traceback.format_exception(error))))
        with self._lock:
            if attempt.is_over:
                return
            attempt.is_over = True
            attempt.sign_in = replace(
                attempt.sign_in, state=SignInState.FAILED, url="", code="", failure=sign_in_failure(error, known)
            )


class _Credential:
    """The credential in the SDKs' shape (azure-core's TokenCredential). It always speaks for the sign-in of now."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **_rest: Any,
    ) -> Any:
        return self._account.token(scopes, claims, tenant_id or self._account.chosen_tenant() or None, enable_cae)


def _forget_kept_tokens(credential: Any) -> None:
    """Out of the encrypted store too. azure-identity has no word for it, so its MSAL application is asked."""
    app = credential.inner._get_app()
    for account in app.get_accounts():
        app.remove_account(account)
