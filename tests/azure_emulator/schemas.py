"""Bodies against Microsoft's published models: unknown names, missing required ones, wrong types, unknown words."""

from __future__ import annotations

import datetime as datetime_module
import enum
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from types import ModuleType
from typing import Any

from tests.azure_emulator.published_models import find_operation
from tests.azure_emulator.wire import Reply, Request

Rules = dict[str, Any]
NUMBERS = {"int": int, "long": int, "float": (int, float), "decimal": (int, float), "bool": bool}
TEXTS = {"str", "duration", "rfc-1123", "date", "time", "base64", "bytearray", "unix-time", "base64url"}
# Where Microsoft's own SDK or service does not keep to what is published.
KNOWN_DEVIATIONS = re.compile(
    r"properties\.hash_version: 202208 is no text"  # azure-ai-ml sends a number
    r"|request\.properties\.fineTuningDetails\.taskType: 'chatCompletion'"  # azure-ai-ml's own spelling
    r"|/datastores.* reply.*\.credentials\.secrets: required"  # never sent back: listSecrets is there for that
    r"|Route\.path: '/' breaks pattern"  # Microsoft's own examples of containers have that path
)
ANYTHING = {"object", "any", "JSON", "iO", "IO"}


def check(request: Request, reply: Reply) -> list[str]:
    """What is wrong with the two bodies; empty where all is well or nothing is published about the request."""
    operation = find_operation(request.method, request.path, request.api_version or "v1.0")
    if operation is None or "/operationresults/" in request.path.lower():  # "any resource by its id" fits it too
        return []
    found: list[str] = []
    where = f"{request.method} {request.path} [{request.api_version}]"
    if operation.body and request.body:
        found += [f"{where} request{text}" for text in check_value(request.json, operation.body, operation.models)]
    if reply.status in (200, 201) and operation.reply and not isinstance(reply.body, (bytes, str)):
        if reply.body is None:
            found += [] if request.method == "DELETE" else [f"{where} reply: there is none, {operation.reply} is due"]
        elif operation.is_list_of_reply:
            found += [f"{where} reply{text}" for text in _check_page(reply.body, operation.reply, operation.models)]
        else:
            found += [f"{where} reply{text}" for text in check_value(reply.body, operation.reply, operation.models)]
    if reply.status >= 400 and reply.body is not None and not _is_error(reply.body):
        found.append(f'{where} reply: an error must be {{"error": {{"code", "message"}}}}')
    return [one for one in found if not KNOWN_DEVIATIONS.search(one)]


def _is_error(body: Any) -> bool:
    inner = body.get("error") if isinstance(body, dict) else None
    return isinstance(inner, dict) and isinstance(inner.get("code"), str) and isinstance(inner.get("message"), str)


def _check_page(body: Any, model: str, models: ModuleType) -> Iterator[str]:
    if not isinstance(body, dict) or not isinstance(body.get("value"), list) or set(body) - {"value", "nextLink"}:
        yield ': a page must be {"value": [...], "nextLink"}'
        return
    for index, item in enumerate(body["value"]):
        yield from check_value(item, model, models, f".value[{index}]")


def check_value(value: Any, kind: str, models: ModuleType, where: str = "") -> Iterator[str]:
    """`kind` in msrest's notation: "str", "[Job]", "{str}", or the name of a model or an enum."""
    if value is None or kind in ANYTHING:
        return
    if kind.startswith("["):
        if not isinstance(value, list):
            yield f"{where}: {_short(value)} is no list"
            return
        for index, item in enumerate(value):
            yield from check_value(item, kind[1:-1], models, f"{where}[{index}]")
    elif kind.startswith("{"):
        if not isinstance(value, dict):
            yield f"{where}: {_short(value)} is no object"
            return
        for key, item in value.items():
            yield from check_value(item, kind[1:-1], models, f"{where}.{key}")
    elif kind in NUMBERS:
        if not isinstance(value, NUMBERS[kind]) or (kind != "bool" and isinstance(value, bool)):
            yield f"{where}: {_short(value)} is no {kind}"
    elif kind == "iso-8601":
        if not _is_time(value):
            yield f"{where}: {_short(value)} is no time of ISO 8601"
    elif kind in TEXTS:
        if not isinstance(value, str):
            yield f"{where}: {_short(value)} is no text"
    else:
        yield from _check_named(value, getattr(models, kind), models, where)


def _check_named(value: Any, published: type, models: ModuleType, where: str) -> Iterator[str]:
    if issubclass(published, enum.Enum):
        words = [str(word.value) for word in published]
        if value not in words:
            yield f"{where}: {_short(value)} is none of {', '.join(words)}"
    elif not isinstance(value, dict):
        yield f"{where}: {_short(value)} is no {published.__name__}"
    elif hasattr(published, "_attribute_map"):
        yield from _check_old(value, published, models, where)
    else:
        yield from _check_new(value, published, models, where)


def _is_time(value: Any) -> bool:
    # Azure writes seven digits of a second; Python reads six.
    try:
        datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value))
    except (TypeError, ValueError):
        return False
    return True


def _short(value: Any) -> str:
    return repr(value)[:80]


# Models of the older generators: `_attribute_map` with flattened keys, `_validation`, `_subtype_map`.


def _check_old(value: dict[str, Any], published: Any, models: ModuleType, where: str) -> Iterator[str]:
    for attribute, subtypes in vars(published).get("_subtype_map", {}).items():
        key = published._attribute_map[attribute]["key"]
        word = _dig(value, key)
        if word not in subtypes:
            yield f"{where}.{key}: {_short(word)} is none of {', '.join(subtypes)}"
            return
        yield from _check_old(value, getattr(models, subtypes[word]), models, where)
        return
    enums = _enums_of(published)
    tree: dict[str, Any] = {}
    is_open = False
    for attribute, details in published._attribute_map.items():
        if not details["key"]:
            is_open = True
            continue
        keys = _keys(details["key"])
        branch = tree
        for key in keys[:-1]:
            branch = branch.setdefault(key, {})
        rules = published._validation.get(attribute, {})
        branch[keys[-1]] = (_with_enum(details["type"], enums.get(attribute), models), rules)
    yield from _check_tree(value, tree, models, where, is_open)


def _check_tree(
    value: dict[str, Any], tree: dict[str, Any], models: ModuleType, where: str, is_open: bool = False
) -> Iterator[str]:
    for key in value:
        if key not in tree and not is_open:
            yield f"{where}.{key}: not in the published model"
    for key, expected in tree.items():
        here = f"{where}.{key}"
        given = value.get(key)
        if isinstance(expected, dict):
            if isinstance(given, dict):
                yield from _check_tree(given, expected, models, here)
            elif given is not None:
                yield f"{here}: {_short(given)} is no object"
            continue
        kind, rules = expected
        if given is None:
            if rules.get("required"):
                yield f"{here}: required"
            continue
        yield from check_value(given, kind, models, here)
        yield from _check_rules(given, rules, here)


def _check_rules(value: Any, rules: Rules, where: str) -> Iterator[str]:
    tests: dict[str, Callable[[Any], bool]] = {
        "pattern": lambda rule: not isinstance(value, str) or re.search(rule, value) is not None,
        "max_length": lambda rule: len(value) <= rule,
        "min_length": lambda rule: len(value) >= rule,
        "max_items": lambda rule: len(value) <= rule,
        "min_items": lambda rule: len(value) >= rule,
        "maximum": lambda rule: value <= rule,
        "minimum": lambda rule: value >= rule,
    }
    for name, rule in rules.items():
        if name in tests and not tests[name](rule):
            yield f"{where}: {_short(value)} breaks {name} {rule}"


def _keys(key: str) -> list[str]:
    return [part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", key)]


def _dig(value: Any, key: str) -> Any:
    for part in _keys(key):
        value = value.get(part) if isinstance(value, dict) else None
    return value


@cache
def _enums_of(published: type) -> dict[str, str]:
    """The enums of a model's attributes: the older generators name them in the docstring alone."""
    text = re.sub(r"\s+", " ", published.__doc__ or "")
    return dict(re.findall(r":vartype (\w+): (?:list\[)?str or ~[\w.]+\.(\w+)", text))


def _with_enum(kind: str, word: str | None, models: ModuleType) -> str:
    return kind.replace("str", word) if word and hasattr(models, word) else kind


# Models of the newest generator: annotated fields.


def _check_new(value: dict[str, Any], published: Any, models: ModuleType, where: str) -> Iterator[str]:
    fields = _fields_of(published, models)
    for name, is_discriminator, _type in fields.values():
        mapping = published.__dict__.get("__mapping__", {})
        word = value.get(name)
        if is_discriminator and mapping and mapping.get(word) not in (None, published):
            yield from _check_new(value, mapping[word], models, where)
            return
    names = {name: kind for name, _is_discriminator, kind in fields.values()}
    for key in value:
        if key not in names:
            yield f"{where}.{key}: not in the published model"
    for name, kind in names.items():
        given = value.get(name)
        if given is None:
            if type(None) not in typing.get_args(kind) and kind is not Any:
                yield f"{where}.{name}: required"
            continue
        yield from _check_typed(given, kind, models, f"{where}.{name}")


@cache
def _fields_of(published: Any, models: ModuleType) -> dict[str, tuple[str, bool, Any]]:
    """Attribute: name on the wire, whether it tells subclasses apart, type."""
    found = {}
    for base in reversed(published.__mro__):
        hints = inspect.get_annotations(base)
        for attribute, value in base.__dict__.items():
            if type(value).__name__ == "_RestField":
                name = value._rest_name_input or attribute
                found[attribute] = (name, value._is_discriminator, _resolved(hints[attribute], models))
    return found


def _check_typed(value: Any, kind: Any, models: ModuleType, where: str) -> Iterator[str]:
    kind = _resolved(kind, models)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        choices = [_resolved(one, models) for one in inner if one is not type(None)]
        enums = [one for one in choices if isinstance(one, type) and issubclass(one, enum.Enum)]
        yield from _check_typed(value, enums[0] if enums else choices[0], models, where)
    elif origin is list:
        if not isinstance(value, list):
            yield f"{where}: {_short(value)} is no list"
            return
        for index, item in enumerate(value):
            yield from _check_typed(item, inner[0], models, f"{where}[{index}]")
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{where}: {_short(value)} is no object"
            return
        for key, item in value.items():
            yield from _check_typed(item, inner[1], models, f"{where}.{key}")
    elif origin is typing.Literal:
        word = inner[0].value if isinstance(inner[0], enum.Enum) else inner[0]
        if value != word:
            yield f"{where}: {_short(value)} is not {word}"
    elif isinstance(kind, type) and (issubclass(kind, enum.Enum) or _is_model(kind)):
        yield from _check_named(value, kind, models, where)
    elif kind in (str, int, float, bool):
        yield from check_value(value, kind.__name__, models, where)
    elif kind is datetime:
        yield from check_value(value, "iso-8601", models, where)


def _resolved(kind: Any, models: ModuleType) -> Any:
    """The type that a forward reference such as "_models.Sku" names."""
    name = kind.__forward_arg__ if isinstance(kind, typing.ForwardRef) else kind
    if not isinstance(name, str):
        return kind
    return eval(name, {**vars(typing), **vars(models), "_models": models, "datetime": datetime_module})


def _is_model(kind: type) -> bool:
    return any(base.__name__ == "Model" for base in kind.__mro__)
