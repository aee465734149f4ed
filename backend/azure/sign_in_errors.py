"""Why a sign-in fails or ends, in words. A network that is down ends none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from backend.azure.errors import SignedOut, explain, without_secrets
from backend.domain import Failure
from backend.errors import PhiDeskError, Unavailable
from backend.i18n import _


def sign_in_again(why: str) -> SignedOut:
    return SignedOut(
        _("You must sign in to Azure again."),
        why=why,
        how_to_fix=_("Sign in on Setup. What goes on at Azure goes on, and nothing is lost."),
        code="sign_in_again",
    )


def renewal_error(error: Exception) -> PhiDeskError | None:
    """Of a token that could not be had: SignedOut when it was refused, else Unavailable; None for a bug."""
    from azure.core.exceptions import ClientAuthenticationError

    doing = _("Renewing the sign-in")
    obstacle = _obstacle(error, doing)
    if obstacle is not None:
        return obstacle
    if isinstance(error, ClientAuthenticationError):
        return sign_in_again(sign_in_failure(error, None).why)
    return explain(error, doing)


def sign_in_failure(error: Exception, known: PhiDeskError | None) -> Failure:
    """Of an attempt to sign in. `known` is what the general table makes of the error."""
    raw = without_secrets(str(error))
    what = _("Signing in failed.")
    for signs, words in _KNOWN_REFUSALS:
        if any(sign in raw for sign in signs):
            why, fix = words()
            return Failure("sign_in_refused", what, why, fix, raw)
    obstacle = _obstacle(error, _("Signing in"))
    if obstacle is not None:
        return obstacle.failure()
    if known is not None and not isinstance(known, SignedOut):
        return known.failure()
    words_of_azure = raw.strip().splitlines()[0] if raw.strip() else _("Azure gave no reason.")
    return Failure("sign_in_failed", what, words_of_azure, _("Try again, or choose another way to sign in."), raw)


def _obstacle(error: Exception, doing: str) -> Unavailable | None:
    """azure-identity and MSAL dress everything as a failed authentication; what lies beneath tells them apart."""
    from azure.core.exceptions import ServiceRequestError, ServiceResponseError

    for cause in _causes(error):
        if isinstance(cause, ServiceRequestError | ServiceResponseError):
            known = explain(cause, doing)
            if isinstance(known, Unavailable):
                return known
        status = getattr(getattr(cause, "response", None), "status_code", 0) or 0
        if status == 429 or status >= 500 or _HTTP_TROUBLE.search(str(cause)):
            return Unavailable(
                _("{doing} failed.").format(doing=doing),
                why=_("Microsoft's sign-in service does not answer properly."),
                how_to_fix=_("Wait a minute, then try again."),
                code="azure_down",
                raw=without_secrets(str(error)),
            )
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


_HTTP_TROUBLE = re.compile(r"HTTP Error: (429|5\d\d)")
"""MSAL's words for an answer that is no OAuth answer; the response itself is lost."""

_KNOWN_REFUSALS: tuple[tuple[tuple[str, ...], Callable[[], tuple[str, str]]], ...] = (
    (
        ("AADSTS70020", "expired_token", "Timed out waiting", "AADSTS70019"),
        lambda: (_("The code was not entered in time."), _("Begin again, and enter the new code.")),
    ),
    (
        ("AADSTS70018", "authorization_declined", "access_denied"),
        lambda: (_("The sign-in was declined."), _("Begin again, and accept it in the browser.")),
    ),
    (
        ("AADSTS90002", "AADSTS900023", "Unable to get authority configuration"),
        lambda: (_("There is no such tenant."), _("Sign out, or choose another tenant, then sign in again.")),
    ),
    (
        ("AADSTS7000215", "AADSTS7000222", "AADSTS700016"),
        lambda: (
            _("Azure does not know this application, or its secret is wrong or has expired."),
            _("Correct AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, then start Phi Desk again."),
        ),
    ),
    (
        ("az login", "AADSTS70043", "AADSTS700082", "AADSTS50173"),
        lambda: (_("The sign-in has expired."), _("Sign in again.")),
    ),
)
