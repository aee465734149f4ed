"""Which of Microsoft's published models a request and its reply have: read off the generated clients in its packages.

Every generated operation names its URL, its method, the model that it writes and the one that it reads. Those are the
vendor's own schemas in the versions that the product's SDKs speak, so nothing is copied here by hand.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

FAMILIES = (
    "azure.ai.ml._restclient",
    "azure.mgmt.authorization",
    "azure.mgmt.msi",
)
"""Packages with one sub-package an api-version."""

SINGLE = {
    "azure.ai.ml._restclient.arm_ml_service": "2025-12-01",
    "azure.ai.ml._restclient.registry_discovery": "v1.0",
    "azure.ai.ml._restclient.runhistory": "v1.0",
    "azure.ai.ml._vendor.azure_resources": "2020-06-01",
    "azure.mgmt.quota": "2025-09-01",
    "azure.mgmt.resource.resources": "2025-04-01",
}
"""Packages of one api-version."""

SCOPES = frozenset({"scope", "resourceid", "roleid", "resourceproviderpath", "parentresourcepath"})
"""Placeholders that stand for more than one segment of a path."""


@dataclass(frozen=True)
class Operation:
    """`body` and `reply` are names of models in `package`.models; None means that there is none."""

    package: str
    method: str
    template: str
    body: str | None
    reply: str | None
    is_list_of_reply: bool
    """The reply is a page, `{"value": [reply, ...]}`, that the client takes apart itself."""

    @property
    def models(self) -> ModuleType:
        return importlib.import_module(f"{self.package}.models")


def packages_of(api_version: str) -> list[str]:
    """Those that speak this version."""
    folder = "v" + api_version.replace("-", "_")
    found = [f"{family}.{folder}" for family in FAMILIES if _folder_of(family, folder).is_dir()]
    return found + [package for package, version in SINGLE.items() if version == api_version]


def _folder_of(package: str, *below: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(package)
    return Path(spec.origin).parent.joinpath(*below)


@cache
def find_operation(method: str, path: str, api_version: str) -> Operation | None:
    """The one whose URL has the most words in common with the path; None when Microsoft's packages know none."""
    if re.search(r"/operationStatuses/[^/]+$", path):
        return None  # looks like a resource of any kind, and is none
    path = path.removeprefix("/mferp/managementfrontend")  # a part of the base URL, not of the published paths
    packages = packages_of(api_version) or packages_of(f"{api_version}-preview")
    matching = [
        operation
        for package in packages
        for operation, pattern in _operations_of(package)
        if operation.method == method and pattern.fullmatch(path)
    ]
    return max(matching, key=lambda operation: len(re.sub(r"\{\w+\}", "", operation.template)), default=None)


@cache
def _operations_of(package: str) -> list[tuple[Operation, re.Pattern[str]]]:
    found = []
    for file in sorted(_folder_of(package, "operations").glob("_*.py")):
        blocks = _blocks(file.read_text(encoding="utf-8"))
        builders = {name: built for name, built in map(_read_builder, blocks) if built}
        for operation in _read_methods(package, blocks, builders):
            found.append((operation, _pattern(operation.template)))
    return found


def _blocks(source: str) -> list[str]:
    """Each function and method, with what stands after it up to the next."""
    blocks = re.split(r"^(?=(?:    )?def )", source, flags=re.MULTILINE)
    return [block for block in blocks if block.lstrip().startswith("def ")]


def _name(block: str) -> str:
    return block.lstrip().removeprefix("def ").partition("(")[0]


def _read_builder(block: str) -> tuple[str, tuple[str, str] | None]:
    """The name of a function that builds a request, and the request's method and URL."""
    method = re.search(r"""method=["'](\w+)["']""", block)
    strings = r"""((?:["'][^"']*["']\s*)+)"""
    url = re.search(r"""_?url = (?:kwargs\.pop\(\s*["']template_url["'],\s*)?\(?\s*""" + strings, block)
    if not method or not url:
        return _name(block), None
    return _name(block), (method[1], "".join(re.findall(r"""["']([^"']*)["']""", url[1])))


def _read_methods(package: str, blocks: list[str], builders: dict[str, tuple[str, str]]) -> Iterator[Operation]:
    for index, block in enumerate(blocks):
        built = re.search(r"\b(build_\w+)\(", block)
        # The oldest generator builds the request in the method itself.
        old = re.search(r"self\._client\.(get|put|post|patch|delete|head)\(", block)
        url = re.search(r"""\.metadata = \{["']url["']: ["']([^"']+)["']\}""", block)
        if block.startswith("    def ") and built and built[1] in builders:
            method, template = builders[built[1]]
        elif old and url:
            method, template = old[1].upper(), url[1]
        else:
            continue
        reply, is_page = _reply_of(block)
        if reply is None and _name(block).endswith("_initial"):
            # The generator lets the method that polls read what the last reply holds.
            polling = "begin" + _name(block).removesuffix("_initial")
            followers = (_reply_of(later) for later in blocks[index + 1 :] if _name(later) == polling)
            reply, is_page = next((found for found in followers if found[0]), (None, False))
        yield Operation(package, method, template, _body_of(block), reply, is_page)


def _body_of(block: str) -> str | None:
    named = re.search(r"""_serialize\.body\(\s*\w+,\s*["']([^"']+)["']""", block)
    if named:
        return named[1]
    variable = re.search(r"json\.dumps\((\w+), cls=SdkJSONEncoder", block)
    annotation = variable and re.search(rf"\b{variable[1]}: (?:Optional\[)?Union\[_models\.(\w+)", block)
    return annotation[1] if annotation else None


def _reply_of(block: str) -> tuple[str | None, bool]:
    """The model's name, and whether the reply is a page of them."""
    page = re.search(r"\b_deserialize\(\s*[Ll]ist\[_models\.(\w+)\]", block)
    if page:
        return page[1], True
    named = re.search(r"""\._deserialize\(\s*["']([^"']+)["'],\s*(?:pipeline_response|response)\b(?!\.h?e)""", block)
    typed = re.search(r"\b_deserialize\(\s*_models\.(\w+),\s*response", block)
    found = named or typed
    return (found[1] if found else None), False


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", "/" + template.lstrip("/").partition("?")[0])
    text = ""
    for index, part in enumerate(parts):
        # A scope is a path of its own; every other placeholder is one segment.
        is_path = part.lower() in SCOPES
        text += re.escape(part) if index % 2 == 0 else (r".+" if is_path else r"[^/]+")
    return re.compile(text, re.IGNORECASE)
