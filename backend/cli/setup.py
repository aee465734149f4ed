"""`phidesk setup`: connect a place, see what it has and lacks, and mend that."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from backend.cli.output import AsJson, desk, read_settings, say, show, table
from backend.cli.parts import POLL_SECONDS, end_with_operation, part_of
from backend.domain_setup import Check, Choice, SignIn, SignInState
from backend.errors import BadInput, NotFound, Unavailable
from backend.i18n import _
from backend.target import Setup

NoWait = Annotated[bool, typer.Option("--no-wait", help=_("Return at once; see: phidesk setup operations."))]


def add_to(group: typer.Typer) -> None:
    group.command("check")(check)
    group.command("status")(status)
    group.command("sign-in")(sign_in)
    group.command("sign-out")(sign_out)
    group.command("choose")(choose)
    group.command("create")(create)
    group.command("fix")(fix)
    group.command("export")(export)
    group.command("apply")(apply)
    group.command("operations")(operations)


def _setup() -> Setup:
    target = desk().target
    return part_of(target, target.setup)


def check(as_json: AsJson = False) -> None:
    """Check everything; exit status 1 when something needed is missing."""
    target = desk().target
    found = target.check()
    is_ok = all(one.is_ok or one.is_warning for one in found)
    lines = []
    for one in found:
        mark = _("ok") if one.is_ok else _("warning") if one.is_warning else _("missing")
        lines.append(f"{mark:8} {one.what}")
        if not one.is_ok:
            lines += [f"         {part}" for part in (one.why, one.how_to_fix, one.ask_admin, one.link) if part]
    show(as_json, {"target": target.name, "is_ok": is_ok, "checks": [_fields(one) for one in found]}, *lines)
    if not is_ok:
        raise typer.Exit(1)


def _fields(check: Check) -> dict[str, Any]:
    """Without the function that mends it, which is no value: whether there is one."""
    values = {name: value for name, value in asdict(replace(check, fix=None)).items() if name != "fix"}
    return values | {"can_fix": check.fix is not None}


def status(as_json: AsJson = False) -> None:
    """Who is signed in, what is chosen, what can be chosen."""
    setup = _setup()
    account = setup.sign_in_state()
    choices = setup.choices() if account.state is SignInState.SIGNED_IN else ()
    lines = [_in_words(account)]
    for choice in choices:
        lines.append(f"{choice.id}: {choice.chosen or choice.waits_for or _('nothing is chosen')}")
        lines += [f"    {option.id}  {option.title}  {option.note}".rstrip() for option in choice.options]
    show(as_json, {"sign_in": account, "choices": choices}, *lines)


def sign_in(
    way: Annotated[str, typer.Option(help=_("How (default: the first that can be used here)."))] = "",
    timeout: Annotated[float, typer.Option(help=_("Seconds to wait for you at most."))] = 900,
    as_json: AsJson = False,
) -> None:
    """Sign in, and wait until it is done."""
    setup = _setup()
    ways = setup.ways_to_sign_in()
    usable = [one.id for one in ways if not one.why_not]
    if way not in usable and (way or not usable):
        reasons = " ".join(f"{one.id}: {one.why_not}" for one in ways if one.why_not)
        raise BadInput(
            _("There is no way to sign in by {way}.").format(way=way) if way else _("There is no way to sign in here."),
            why=reasons,
            how_to_fix=_("Use one of: {names}.").format(names=", ".join(usable)) if usable else "",
            code="no_such_way",
        )
    account = _wait_for(setup, setup.sign_in(way or usable[0]), timeout)
    show(as_json, account, _in_words(account))


def _wait_for(setup: Setup, account: SignIn, timeout: float) -> SignIn:
    deadline, said = time.monotonic() + timeout, ""
    while account.state is SignInState.PENDING:
        if account.url and account.url + account.code != said:
            said = account.url + account.code
            say(_("Open {url} and enter {code}").format(url=account.url, code=account.code or _("your account")))
        if time.monotonic() > deadline:
            setup.sign_out()
            raise Unavailable(
                _("Nobody signed in within {seconds:g} s.").format(seconds=timeout),
                how_to_fix=_("Try again."),
                code="sign_in_timeout",
            )
        time.sleep(POLL_SECONDS)
        account = setup.sign_in_state()
    if account.state is not SignInState.SIGNED_IN:
        if account.failure:
            raise Unavailable.of(account.failure)
        raise Unavailable(_("The sign-in ended without an account."), how_to_fix=_("Try again."), code="sign_in_failed")
    return account


def _in_words(account: SignIn) -> str:
    if account.state is SignInState.SIGNED_IN:
        return _("Signed in as {account} ({tenant}).").format(account=account.account, tenant=account.tenant)
    if account.state is SignInState.EXPIRED:
        return _("The sign-in has expired. Use: phidesk setup sign-in")
    return _("Not signed in.")


def sign_out(as_json: AsJson = False) -> None:
    """Forget the account."""
    setup = _setup()
    setup.sign_out()
    show(as_json, setup.sign_in_state(), _("Signed out."))


def choose(
    choice: Annotated[str, typer.Argument(help=_("Which choice; see: phidesk setup status."))],
    option: Annotated[str, typer.Argument(help=_("An option's id, or its title."))],
    as_json: AsJson = False,
) -> None:
    """Choose one of what is there."""
    setup = _setup()
    by_title = {one.title: one.id for one in _find_choice(setup, choice).options}
    setup.choose(choice, by_title.get(option, option))
    chosen = _find_choice(setup, choice)
    show(as_json, chosen, f"{chosen.id}: {chosen.chosen}")


def create(
    choice: Annotated[str, typer.Argument(help=_("What to create; see: phidesk setup status."))],
    values: Annotated[list[str] | None, typer.Option("--set", help=_("A field, name=value; may be repeated."))] = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Create what is not there yet; it is chosen when it is there."""
    setup = _setup()
    defaults = {field.name: field.default for field in _find_choice(setup, choice).form}
    operation = setup.create(choice, defaults | dict(read_settings(values or [])))
    end_with_operation(as_json, setup, operation, is_waiting=not no_wait)


def _find_choice(setup: Setup, name: str) -> Choice:
    found = {one.id: one for one in setup.choices()}
    if name not in found:
        raise NotFound(
            _("There is no choice {name}.").format(name=name),
            how_to_fix=_("Use one of: {names}.").format(names=", ".join(found)),
            code="no_such_choice",
        )
    return found[name]


def fix(
    only: Annotated[str, typer.Argument(help=_("One check's id (default: all that can be mended)."))] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_("Only list what would be created or changed."))] = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Create or change what the checks find missing, after listing it."""
    target = desk().target
    setup = part_of(target, target.setup)
    missing = [one for one in target.check() if not one.is_ok and one.fix and only in {"", one.id}]
    changes = [change for one in missing for change in one.changes]
    if dry_run or not missing:
        show(as_json, {"changes": changes}, *(changes or [_("There is nothing to mend.")]))
        return
    for change in changes:
        say(change)
    if not only:
        end_with_operation(as_json, setup, setup.fix_all(), is_waiting=not no_wait)
        return
    mend: Callable[[], None] | None = missing[0].fix
    if mend:
        mend()
    show(as_json, {"fixed": only, "changes": changes}, _("Done."))


def export(
    file: Annotated[Path | None, typer.Argument(help=_("Where to write it (default: standard output)."))] = None,
    as_json: AsJson = False,
) -> None:
    """The set-up as a file that does the same elsewhere. It holds no secret."""
    text = _setup().export()
    if file is None:
        show(as_json, {"setup": text}, text.rstrip("\n"))
        return
    file.write_text(text, encoding="utf-8")
    show(as_json, {"file": str(file)}, _("Written to {file}.").format(file=file))


def apply(
    file: Annotated[Path, typer.Argument(help=_("A file that was exported."))],
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Choose, and create where missing, what a file names."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise NotFound(_("There is no file {name}.").format(name=file), code="no_such_file") from error
    except (UnicodeDecodeError, OSError) as error:
        raise BadInput(_("{name} can't be read.").format(name=file), why=str(error), code="bad_setup_file") from error
    setup = _setup()
    end_with_operation(as_json, setup, setup.apply(text), is_waiting=not no_wait)


def operations(
    retry: Annotated[str, typer.Option(help=_("Try this one again."))] = "",
    dismiss: Annotated[str, typer.Option(help=_("Take this one off the list."))] = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Long operations: what goes on, and what has ended."""
    setup = _setup()
    if retry:
        end_with_operation(as_json, setup, setup.retry(retry), is_waiting=not no_wait)
        return
    if dismiss:
        setup.dismiss(dismiss)
    found = setup.operations()
    rows = [(one.id, one.title, one.state.value, f"{one.step}/{one.steps}", one.detail) for one in found]
    show(as_json, {"operations": found}, *table(("ID", "WHAT", "STATE", "STEP", "DETAIL"), rows))
