"""The set-up as a YAML file that reproduces it elsewhere. It names things and holds no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from backend.azure.config import AzureConfig
from backend.azure.names import RULES
from backend.errors import BadInput
from backend.i18n import _

HEAD = "# How Phi Desk is connected to Azure. Apply it on Setup, or by: phidesk setup apply <this file>\n"
LONGEST = 100_000


class SetupFile(BaseModel):
    """What a file may say. Everything is optional, but each thing needs the one that it stands in."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tenant: str = ""
    subscription: str = ""
    resource_group: str = ""
    workspace: str = ""
    region: str = ""
    identity: str = ""
    hub: str = ""
    project: str = ""
    training_size: str = ""
    serving_size: str = ""
    registry: str = "azureml"

    @field_validator("resource_group", "workspace", "identity", "hub", "project")
    @classmethod
    def _is_a_name(cls, value: str, info: Any) -> str:
        rule = RULES[info.field_name]
        if value and rule.pattern.fullmatch(value) is None:
            raise ValueError(rule.words())
        return value

    def config(self) -> AzureConfig:
        return AzureConfig(**self.model_dump())


_NEEDS = {
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
    try:
        found = SetupFile.model_validate(values["azure"])
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        raise _bad(lines.get(("azure", field), 1), field, _words(first)) from None
    for name, needed in _NEEDS.items():
        if getattr(found, name) and not getattr(found, needed):
            raise _bad(lines[("azure", name)], name, _("It needs {field} too.").format(field=needed))
    if found.workspace and not found.region:
        raise _bad(lines[("azure", "workspace")], "workspace", _("It needs {field} too.").format(field="region"))
    return found.config()


def _words(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return _("There is no such field.")
    if error["type"] == "string_type":
        return _("It must be a text. Put it in quotes.")
    return str(error["msg"]).removeprefix("Value error, ")


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
