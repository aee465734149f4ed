"""Connects the desk to Azure: sign in, choose or create, mend what lacks, and all of it again from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol

from backend.azure.choices import Choices
from backend.azure.config import AzureConfig
from backend.azure.connection import Connection
from backend.azure.creation import Creation, Wanted, hub_of
from backend.azure.errors import SignedOut
from backend.azure.identity import ensure_identity
from backend.azure.listings import Listings
from backend.azure.operations import Operations, Report, Stopped
from backend.azure.setup_file import read_setup, write_setup
from backend.domain_setup import Check, Choice, Operation, SignIn, SignInWay
from backend.errors import Conflict, PhiDeskError
from backend.i18n import _

FIX_ALL = "fix_all"
APPLY = "apply_setup"
MOST_ROUNDS = 4
"""A fix may make the next one possible, such as an identity for the roles that it is given."""


class Checks(Protocol):
    def check(self) -> Sequence[Check]: ...


class AzureSetup:
    def __init__(self, connection: Connection, operations: Operations, checks: Checks) -> None:
        self.connection = connection
        self._operations = operations
        self._checks = checks
        self.listings = Listings(connection)
        self._choices = Choices(connection, self.listings)
        self._creation = Creation(connection, operations, self.listings)
        operations.handler(FIX_ALL, self._fix_all)
        operations.handler(APPLY, self._apply)
        connection.account.on_signed_in += [self.listings.forget, operations.resume_all]

    def ways_to_sign_in(self) -> Sequence[SignInWay]:
        return self.connection.account.ways()

    def sign_in(self, way: str) -> SignIn:
        return self.connection.account.begin(way)

    def sign_in_state(self) -> SignIn:
        return self.connection.account.state()

    def sign_out(self) -> None:
        """What is chosen stays, but for the tenant: the next account may have no part in it."""
        self.connection.account.forget()
        self.connection.save(replace(self.connection.config, tenant=""))
        self.listings.forget()

    def choices(self) -> Sequence[Choice]:
        return self._choices.list()

    def choose(self, choice: str, option: str) -> None:
        self._choices.choose(choice, option)

    def create(self, choice: str, values: Mapping[str, str]) -> Operation:
        filled = self._choices.require_values(choice, values)
        config = self.connection.config
        name = filled.pop("name")
        region, hub = filled.pop("region", ""), ""
        if choice == "project":
            hub, region = hub_of(self.listings, config.subscription, config.resource_group, config.hub)
        group = name if choice == "resource_group" else config.resource_group
        wanted = Wanted(choice, config.subscription, group, name, region, hub, filled)
        if self._choices.is_taken(choice, name):
            made = self._creation.made(wanted)  # by a click before this one, or while the person signed in again
            if made is None:
                raise self._choices.name_taken(choice, name)
            return made
        return self._creation.start(wanted)

    def fix_all(self) -> Operation:
        steps = sum(1 for check in self._checks.check() if _is_fixable(check))
        config = self.connection.config
        key = f"{config.subscription}/{config.resource_group}/{config.workspace}"
        return self._operations.start(FIX_ALL, key, _("Mending what the checks found"), {}, max(steps, 1))

    def operations(self) -> Sequence[Operation]:
        return self._operations.list()

    def resume(self) -> None:
        self._operations.resume_all()
        if self.connection.config.workspace:
            self.connection.load_sdk()

    def retry(self, operation_id: str) -> Operation:
        return self._operations.retry(operation_id)

    def dismiss(self, operation_id: str) -> None:
        self._operations.dismiss(operation_id)

    def export(self) -> str:
        config = self.connection.config
        return write_setup(replace(config, tenant=config.tenant or self.connection.account.state().tenant))

    def apply(self, text: str) -> Operation:
        wanted = read_setup(text)
        self.connection.credential()  # SignedOut is said at once
        steps = 1 + sum(bool(name) for name in (wanted.resource_group, wanted.workspace, wanted.hub, wanted.project))
        key = "/".join(asdict(wanted).values())
        return self._operations.start(APPLY, key, _("Setting up as in the file"), asdict(wanted), steps)

    def _fix_all(self, _arguments: Mapping[str, Any], report: Report) -> None:
        tried: set[str] = set()
        failed: list[PhiDeskError] = []
        for _round in range(MOST_ROUNDS):
            left = [check for check in self._checks.check() if _is_fixable(check) and check.id not in tried]
            if not left:
                break
            for check in left:
                report(len(tried), check.name)
                tried.add(check.id)
                try:
                    assert check.fix is not None  # noqa: S101  _is_fixable says so
                    check.fix()
                except (SignedOut, Stopped):
                    raise
                except PhiDeskError as error:
                    failed.append(error)
        self.listings.forget()
        if failed:
            raise Conflict(
                _("{n} of {all} could not be mended.").format(n=len(failed), all=len(tried)),
                why=" ".join(dict.fromkeys(f"{error.what} {error.why}".strip() for error in failed)),
                how_to_fix=failed[0].how_to_fix,
                code="not_all_mended",
                raw="\n\n".join(error.raw for error in failed if error.raw),
            )

    def _apply(self, arguments: Mapping[str, Any], report: Report) -> None:
        wanted = AzureConfig(**arguments)
        subscription, group = wanted.subscription, wanted.resource_group
        step = 0
        self.connection.save(AzureConfig(tenant=wanted.tenant, subscription=subscription, registry=wanted.registry))
        if group:
            self._creation.make(
                Wanted("resource_group", subscription, group, group, wanted.region), report.within(step)
            )
            step += 1
        for kind in ("workspace", "hub", "project"):
            name = getattr(wanted, kind)
            if not name:
                continue
            hub, region = "", wanted.region
            if kind == "project":
                hub, region = hub_of(self.listings, subscription, group, wanted.hub)
            self._creation.make(Wanted(kind, subscription, group, name, region, hub), report.within(step))
            step += 1
        report(step, _("Choosing what the file names"))
        self.connection.save(wanted)
        if wanted.identity:
            ensure_identity(self.connection, wanted.region)
        self.listings.forget()


def _is_fixable(check: Check) -> bool:
    return not check.is_ok and not check.is_warning and check.fix is not None
