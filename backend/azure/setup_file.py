"""The set-up as a YAML file that reproduces it elsewhere. It names things and holds no secret."""

from __future__ import annotations

from dataclasses import asdict, fields

import yaml

from backend.azure.config import AzureConfig
from backend.azure.names import RULES
from backend.errors import BadInput
from backend.i18n import _

HEAD = "# How Phi Desk is connected to Azure. Apply it on Setup, or by: phidesk setup apply <this file>\n"
LONGEST = 100_000


_NEEDS = {  # everything is optional, but each thing needs the one that it stands in
    "resource_group": "subscription",
    "workspace": "resource_group",
    "identity": "resource_group",
    "hub": "resource_group",
    "project": "hub",
}


def write_setup(config: AzureConfig) -> str:
    chosen = {name: value for name, value in asdict(config).items() if value}
    return HEAD + yaml.safe_dump({"azure": chosen}, sort_keys=False, allow_unicode=True)


def read_setup(text: str) -> AzureConfig:
    """Raises BadInput with line and field."""
    if len(text) > LONGEST:
        raise BadInput(_("This file is too long for a set-up."), code="bad_setup_file")
    try:
        values = yaml.safe_load(text)
        lines = _lines(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise _bad(mark.line + 1 if mark else 1, "", str(getattr(error, "problem", "") or error)) from None
    if not isinstance(values, dict) or not isinstance(values.get("azure"), dict):
        raise _bad(1, "azure", _("The file must begin with azure: and name what is chosen below it."))
    for name in values:
        if name != "azure":
            raise _bad(lines.get((str(name),), 1), str(name), _("There is no such field."))
    for name, value in values["azure"].items():
        if why := _unfit(str(name), value):
            raise _bad(lines.get(("azure", str(name)), 1), str(name), why)
    found = AzureConfig(**values["azure"])
    for name, needed in _NEEDS.items():
        if getattr(found, name) and not getattr(found, needed):
            raise _bad(lines[("azure", name)], name, _("It needs {field} too.").format(field=needed))
    if found.workspace and not found.region:
        raise _bad(lines[("azure", "workspace")], "workspace", _("It needs {field} too.").format(field="region"))
    return found


def _unfit(name: str, value: object) -> str:
    """Why the field can't be so, in words; empty where it can."""
    if name not in {field.name for field in fields(AzureConfig)}:
        return _("There is no such field.")
    if not isinstance(value, str):
        return _("It must be a text. Put it in quotes.")
    rule = RULES.get(name)
    return rule.words() if rule and value and rule.pattern.fullmatch(value) is None else ""


def _bad(line: int, field: str, why: str) -> BadInput:
    what = (
        _("Line {line}, {field}: this can't be used.").format(line=line, field=field)
        if field
        else _("Line {line}: this is no YAML.").format(line=line)
    )
    return BadInput(what, why=why, how_to_fix=_("Correct the file, then try again."), code="bad_setup_file")


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """The line of each key, from 1."""
    found: dict[tuple[str, ...], int] = {}

    def walk(node: yaml.Node, path: tuple[str, ...]) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = (*path, str(key.value))
                found[here] = key.start_mark.line + 1
                walk(value, here)

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is not None:
        walk(root, ())
    return found
