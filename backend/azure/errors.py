"""The vendor's errors in our words, by one table: what happened, why, what to do next."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from backend.azure.roles_needed import role_for
from backend.errors import BadInput, Conflict, NoRoom, NotFound, PhiDeskError, Unavailable
from backend.i18n import _

LONGEST_RAW = 4000


class SignedOut(PhiDeskError):
    """Nobody is signed in, or Azure no longer accepts the sign-in."""

    exit_code = 8


class NotChosen(PhiDeskError):
    """A subscription, resource group or workspace must be chosen first."""

    exit_code = 8


class Forbidden(PhiDeskError):
    """The account lacks a right. `action` and `scope` are Azure's names of what it may not do, and where."""

    exit_code = 9

    def __init__(self, what: str, *, action: str = "", scope: str = "", **rest: str) -> None:
        super().__init__(what, **rest)
        self.action = action
        self.scope = scope


class NoQuota(NoRoom):
    """Azure grants the subscription too few cores, or has too few machines."""


@dataclass(frozen=True)
class ServiceAnswer:
    """A refusal as the service put it: HTTP status (0 when there was no answer), its code and its words."""

    status: int
    code: str
    words: str
    inner: tuple[str, ...] = ()

    def says(self, *signs: str) -> bool:
        text = " ".join((self.code, self.words, *self.inner)).lower()
        return any(sign.lower() in text for sign in signs)


@contextmanager
def in_words(doing: str) -> Iterator[None]:
    """Turns whatever a vendor's package raises inside into one of our errors. `doing` is like "Making the cluster"."""
    try:
        yield
    except PhiDeskError:
        raise
    except Exception as error:
        known = explain(error, doing)
        if known is None:
            raise
        raise known from None  # the vendor's own may hold tokens and signed addresses


def explain(error: Exception, doing: str) -> PhiDeskError | None:
    """Our error for a vendor's; None for one that is no vendor's, which is a bug and must be seen as one."""
    if isinstance(error, PhiDeskError):
        return error
    from azure.core import exceptions as core

    raw = without_secrets(str(error))[:LONGEST_RAW]
    what = _("{doing} failed.").format(doing=doing)
    cause = error.__cause__ or getattr(error, "inner_exception", None)
    if isinstance(cause, PhiDeskError):  # our credential's refusal, wrapped by a package on its way
        return cause
    response = getattr(error, "response", None)
    if isinstance(error, core.HttpResponseError) and (response is not None or error.status_code):
        return _refused(_answer(error), what, raw)
    if isinstance(error, core.ClientAuthenticationError):
        return _signed_out(what, _first_line(raw), raw)
    is_timeout = isinstance(error, core.ServiceRequestTimeoutError | core.ServiceResponseTimeoutError)
    if is_timeout or ("timed out" in raw and (isinstance(error, core.AzureError) or _is_web_error(error))):
        return _no_answer(what, _("Azure did not answer in time."), "azure_timeout", raw)
    # Behind a proxy, urllib3 takes a connection that broke off for a proxy that can't be reached.
    has_broken = any(sign in raw for sign in ("RemoteDisconnected", "Connection reset", "Connection aborted"))
    if isinstance(error, core.ServiceRequestError) and not has_broken:
        return _no_answer(what, _("Azure can't be reached from here."), "offline", raw)
    if isinstance(error, core.ServiceRequestError | core.ServiceResponseError | core.HttpResponseError):
        return _no_answer(what, _("The connection to Azure broke."), "connection_broke", raw)
    if isinstance(error, core.AzureError):
        return _of_the_ml_package(error, cause, what, raw, doing)
    if _is_web_error(error):
        status = getattr(response, "status_code", 0) or 0
        if status:
            return _refused(ServiceAnswer(status, "", raw), what, raw)
        if has_broken:
            return _no_answer(what, _("The connection to Azure broke."), "connection_broke", raw)
        return _no_answer(what, _("Azure can't be reached from here."), "offline", raw)
    if type(error).__module__.startswith("mlflow."):
        status = getattr(error, "get_http_status_code", lambda: 0)()
        return _refused(ServiceAnswer(status, str(getattr(error, "error_code", "")), raw), what, raw)
    if type(error).__module__.startswith(("msrest.", "marshmallow.")):
        return BadInput(what, why=_first_line(raw), code="azure_refused", raw=raw)
    return None


def refusal(error: dict[str, Any], doing: str) -> PhiDeskError:
    """Our error for one that a service keeps in its records, such as why a deployment ended badly."""
    inner = tuple(without_secrets(words) for words in _inner_words(error))
    words = without_secrets(str(error.get("message") or "")).strip()
    answer = ServiceAnswer(200, str(error.get("code") or ""), words, inner)
    raw = without_secrets(json.dumps(error))[:LONGEST_RAW]
    return _refused(answer, _("{doing} failed.").format(doing=doing), raw)


def _is_web_error(error: Exception) -> bool:
    return type(error).__module__.startswith(("requests.", "urllib3."))


def _of_the_ml_package(error: Exception, cause: Any, what: str, raw: str, doing: str) -> PhiDeskError:
    """`azure.ai.ml.exceptions`: their own checks of what we asked, and wrapped errors of the service."""
    if isinstance(cause, Exception) and cause is not error:
        inner = explain(cause, doing)
        if inner is not None:
            return inner
    from azure.ai.ml.exceptions import ErrorCategory, ValidationException

    words = _COLOUR.sub("", without_secrets(str(getattr(error, "message", "") or raw)))
    points = _POINTS.findall(words)  # a long page for a terminal, with "(x) what is wrong" in its middle
    why = " ".join(point.strip() for point in points) or _first_line(words)
    is_ours = points or getattr(error, "error_category", "") == ErrorCategory.USER_ERROR
    if is_ours or isinstance(error, ValidationException):
        return BadInput(
            what, why=why, how_to_fix=_("Change what Azure names, then try again."), code="azure_refused", raw=raw
        )
    return Unavailable(what, why=why, how_to_fix=_try_again(), code="azure_failed", raw=raw)


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_POINTS = re.compile(r"^\(x\) (.+)$", re.MULTILINE)


def _answer(error: Any) -> ServiceAnswer:
    """What the service said, out of the JSON that it sent; nested errors flattened, the innermost last."""
    status = int(error.status_code or 0)
    body: Any = None
    try:
        body = json.loads(error.response.text())
    except (AttributeError, ValueError, TypeError, RuntimeError):
        body = None
    top = body.get("error", body) if isinstance(body, dict) else None
    if isinstance(top, dict) and (top.get("code") or top.get("message")):
        inner = tuple(_inner_words(top))
        code, words = str(top.get("code") or ""), str(top.get("message") or "")
    else:
        kept = getattr(error, "error", None)
        code, words, inner = str(getattr(kept, "code", "") or ""), str(error.message or error), ()
    return ServiceAnswer(status, code, without_secrets(words).strip(), tuple(map(without_secrets, inner)))


def _inner_words(error: dict[str, Any]) -> Iterator[str]:
    for detail in error.get("details") or []:
        if isinstance(detail, dict):
            message = str(detail.get("message") or "")
            nested = _parsed(message)
            if nested is not None:
                yield from _inner_words({"details": [nested]})
            elif message:
                yield f"{detail.get('code') or ''}: {message}".strip(": ")
            yield from _inner_words(detail)


def _parsed(message: str) -> dict[str, Any] | None:
    """Deployments put a whole JSON error into the message of an outer one."""
    if not message.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(message)
    except ValueError:
        return None
    inner = value.get("error", value) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else None


def _refused(answer: ServiceAnswer, what: str, raw: str) -> PhiDeskError:
    """The table. From the special to the general."""
    why = " ".join(dict.fromkeys((*answer.inner[-2:],))) or answer.words or _("Azure gave no reason.")
    if answer.says(*_QUOTA_SIGNS):
        return NoQuota(
            what,
            why=why,
            how_to_fix=_("Ask for more quota on Setup, or choose a smaller size or another region."),
            code="no_quota",
            raw=raw,
        )
    if answer.says("SkuNotAvailable", "OutOfCapacity", "AllocationFailed", "ZonalAllocationFailed"):
        return NoQuota(
            what,
            why=why,
            how_to_fix=_("Azure has no free machine of this size there now. Try later, or choose another size."),
            code="no_capacity",
            raw=raw,
        )
    if answer.says("InvalidAuthenticationTokenTenant"):
        return _signed_out(what, _("The subscription belongs to another tenant than the sign-in."), raw)
    if answer.status == 401:
        return _signed_out(what, _("Azure no longer accepts this sign-in."), raw)
    if answer.says("RequestDisallowedByPolicy"):
        return Forbidden(
            what,
            why=why,
            how_to_fix=_("A policy of your organization forbids it. Show this message to your administrator."),
            code="policy",
            raw=raw,
        )
    if answer.says("MissingSubscriptionRegistration", "SubscriptionNotRegistered"):
        return Conflict(
            what,
            why=why,
            how_to_fix=_("Open Setup and press Fix at the check of resource providers."),
            code="provider_not_registered",
            raw=raw,
        )
    if answer.says("ReadOnlyDisabledSubscription", "SubscriptionDisabled"):
        return Forbidden(
            what,
            why=why,
            how_to_fix=_("The subscription is disabled. Enable it in the Azure portal, or choose another."),
            code="subscription_disabled",
            raw=raw,
        )
    if answer.status == 403:
        return _forbidden(answer, what, raw)
    if answer.status == 404:
        return NotFound(what, why=why, how_to_fix=_not_there(answer), code="not_found_on_azure", raw=raw)
    if answer.status in (409, 412):
        return Conflict(
            what,
            why=why,
            how_to_fix=_("Wait until what goes on there has ended, then try again."),
            code="azure_conflict",
            raw=raw,
        )
    if answer.status == 429:
        return Unavailable(
            what,
            why=_("Azure gets too many requests: {words}").format(words=why),
            how_to_fix=_("Wait a minute, then try again."),
            code="too_many_requests",
            raw=raw,
        )
    if answer.status >= 500 or answer.status == 408:
        return Unavailable(what, why=why, how_to_fix=_try_again(), code="azure_down", raw=raw)
    if 200 <= answer.status < 300:  # a long operation that ended badly is told with status 200
        fix = _server_fix() if answer.says("container has crashed", "probe failed") else _try_again()
        return Unavailable(what, why=why, how_to_fix=fix, code="azure_operation_failed", raw=raw)
    return BadInput(
        what, why=why, how_to_fix=_("Change what Azure names, then try again."), code="azure_refused", raw=raw
    )


_QUOTA_SIGNS = (
    "QuotaExceeded",
    "CoreQuotaReached",
    "OutOfQuota",
    "InsufficientQuota",
    "InsufficientCores",
    "not enough quota",
    "exceeding approved",
    "exceeds quota",
    "exceeds the quota",
    "quota limit",
)

_ACTION = re.compile(r"perform action\(?s?\)? '([^']+)'", re.IGNORECASE)
_LINKED_ACTION = re.compile(r"(Microsoft\.[A-Za-z]+/[A-Za-z/]+/action)")
_SCOPE = re.compile(r"(?:over|on the linked|on) scope(?:\(s\))? '([^']+)'", re.IGNORECASE)


def _forbidden(answer: ServiceAnswer, what: str, raw: str) -> Forbidden:
    text = " ".join((answer.words, *answer.inner))
    action = _ACTION.search(text) or _LINKED_ACTION.search(text)
    scope = _SCOPE.search(text)
    name = action[1] if action else ""
    where = scope[1] if scope else ""
    if name:
        why = _("Your account lacks the right {action}.").format(action=name)
        fix = _("Ask an administrator for the role {role} on {scope}, then wait a few minutes and try again.").format(
            role=role_for(name), scope=where or _("the resource group")
        )
    elif answer.says("AuthorizationPermissionMismatch", "AuthorizationFailure", "blob"):
        why = answer.words
        fix = _("Ask an administrator for the role {role} on {scope}, then wait a few minutes and try again.").format(
            role="Storage Blob Data Contributor", scope=_("the workspace's storage account")
        )
    else:
        why = answer.words or _("Your account may not do this.")
        fix = _("Ask an administrator for the role Contributor on the resource group, or see the checks on Setup.")
    return Forbidden(what, action=name, scope=where, why=why, how_to_fix=fix, code="forbidden", raw=raw)


def _signed_out(what: str, why: str, raw: str) -> SignedOut:
    return SignedOut(
        what, why=why, how_to_fix=_("Sign in again on Setup. Nothing is lost."), code="signed_out", raw=raw
    )


def _no_answer(what: str, why: str, code: str, raw: str) -> Unavailable:
    return Unavailable(
        what, why=why, how_to_fix=_("Check the network and any proxy, then try again."), code=code, raw=raw
    )


def _not_there(answer: ServiceAnswer) -> str:
    is_workspace = re.search(r"/workspaces/[^/'\"]+['\"]", answer.words) is not None
    if is_workspace or answer.says("SubscriptionNotFound", "ResourceGroupNotFound"):
        return _("It may have been deleted. Choose again on Setup.")
    return _("It may have been deleted. Refresh the page and look again.")


def _server_fix() -> str:
    return _(
        "The machine came, but the model did not start on it. Open the log of the endpoint: its last lines say why. "
        "A larger machine often helps. Then try again."
    )


def _try_again() -> str:
    return _("Try again. When it goes on, look at status.azure.com and copy the details below for support.")


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else ""


_SECRETS = (
    re.compile(r"(?i)(\bsig=)[^&\s\"']+"),
    re.compile(r"(?i)(\bbearer\s+)[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"(?i)(accountkey=)[^;\s\"']+"),
    re.compile(
        r"(?i)([\"']?(?:client_secret|refresh_token|access_token|id_token|device_code|primary_?key|secondary_?key"
        r"|account_?key|password|sas_?token)[\"']?\s*[:=]\s*[\"']?)[^\"'&,\s}]+"
    ),
    re.compile(r"()\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
)


def without_secrets(text: str) -> str:
    """Tokens, keys and the signatures of signed addresses are struck out."""
    for pattern in _SECRETS:
        text = pattern.sub(r"\1***", text)
    return text
