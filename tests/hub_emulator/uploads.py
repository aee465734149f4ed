"""What the Hub takes: a new repository, files small (in the commit itself) and large (LFS), and the commit of them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from tests.hub_emulator.hub_routes import DATASETS, ID, opened
from tests.hub_emulator.repos import Repo
from tests.hub_emulator.wire import Reply, Request, error, routes

if TYPE_CHECKING:
    from tests.hub_emulator.server import HubEmulator

_stored: dict[tuple[int, str], bytes] = {}  # (emulator, SHA-256) -> content


def refuses_writing(hub: HubEmulator, request: Request, owner: str) -> Reply | None:
    """As the Hub says it to someone unknown, and to one whose token reads only or who is another."""
    name = hub.tokens.get(request.token)
    if name is None:
        return error(401, "", "Invalid username or password.")
    if name != owner:
        return error(403, "", f"Forbidden: you don't have the rights to write under the namespace {owner}.")
    return None


@routes.on("POST", "/api/repos/create")
def create(request: Request, hub: HubEmulator) -> Reply:
    asked = request.json
    owner = asked.get("organization") or hub.tokens.get(request.token, "")
    if refused := refuses_writing(hub, request, owner):
        return refused
    repo_id = f"{owner}/{asked['name']}"
    if repo_id in hub.repos:
        return error(409, "", "You already created this dataset repo")
    is_private = asked.get("visibility", "public") == "private" or asked.get("private", False)
    hub.add(Repo(repo_id, {".gitattributes": b""}, private=is_private, readers={request.token}))
    return Reply(200, {"url": f"{hub.endpoint}/datasets/{repo_id}", "name": repo_id, "id": "0" * 24})


@routes.on("POST", "/api/validate-yaml")
def validate_card(request: Request, hub: HubEmulator) -> Reply:
    import yaml

    parts = request.json["content"].split("---\n", 2)
    valid = len(parts) == 3 and isinstance(yaml.safe_load(parts[1]), dict)
    return Reply(200 if valid else 400, {"errors": [] if valid else [{"message": "no metadata"}], "warnings": []})


@routes.on("POST", rf"{DATASETS}/preupload/(?P<revision>[^/]+)")
def choose_ways(request: Request, hub: HubEmulator, repo: str, revision: str) -> Reply:
    found = opened(hub, request, repo, revision)
    if isinstance(found, Reply):
        return found
    if refused := refuses_writing(hub, request, repo.split("/")[0]):
        return refused
    files = [
        {
            "path": file["path"],
            "uploadMode": "lfs" if file["path"].endswith(".parquet") else "regular",
            "shouldIgnore": False,
        }
        for file in request.json["files"]
    ]
    return Reply(200, {"files": files})


@routes.on("POST", rf"/datasets/{ID}\.git/info/lfs/objects/batch")
def where_to_put(request: Request, hub: HubEmulator, repo: str) -> Reply:
    if refused := refuses_writing(hub, request, repo.split("/")[0]):
        return refused
    objects: list[dict[str, Any]] = []
    for wanted in request.json["objects"]:
        known = (id(hub), wanted["oid"]) in _stored
        upload = {"upload": {"href": f"{hub.endpoint}/lfs/{wanted['oid']}", "header": {}}}
        objects.append({**wanted, **({} if known else {"actions": upload})})
    return Reply(200, {"transfer": "basic", "objects": objects})


@routes.on("PUT", "/lfs/(?P<oid>[0-9a-f]{64})")
def put(request: Request, hub: HubEmulator, oid: str) -> Reply:
    if hashlib.sha256(request.body).hexdigest() != oid:
        return error(422, "", "the content is not what its name says")
    _stored[id(hub), oid] = request.body
    return Reply(200, b"")


@routes.on("POST", rf"{DATASETS}/commit/(?P<revision>[^/]+)")
def commit(request: Request, hub: HubEmulator, repo: str, revision: str) -> Reply:
    found = opened(hub, request, repo, revision)
    if isinstance(found, Reply):
        return found
    if refused := refuses_writing(hub, request, repo.split("/")[0]):
        return refused
    files: dict[str, bytes | None] = {}
    for line in request.body.splitlines():
        said = json.loads(line)
        value = said["value"]
        if said["key"] == "header":
            if value.get("parentCommit") not in (None, found[1]):
                return error(412, "", "A commit has happened since. Please refresh and try again.")
        elif said["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif said["key"] == "lfsFile":
            files[value["path"]] = _stored[id(hub), value["oid"]]
        else:
            return error(501, "NotEmulated", f"the emulator does not know {said['key']}")
    oid = found[0].commit(files)
    assert re.fullmatch("[0-9a-f]{40}", oid)
    return Reply(200, {"success": True, "commitOid": oid, "commitUrl": f"{hub.endpoint}/datasets/{repo}/commit/{oid}"})
