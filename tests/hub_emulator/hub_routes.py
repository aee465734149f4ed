"""The Hub's own routes: search, facts, trees, files, who one is. Shapes as huggingface_hub 2.4 reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.hub_emulator.repos import Repo, blob_id
from tests.hub_emulator.wire import Reply, Request, error, routes

if TYPE_CHECKING:
    from tests.hub_emulator.server import HubEmulator

ID = r"(?P<repo>[\w.-]+(?:/[\w.-]+)?)"
DATASETS = rf"/api/datasets/{ID}"
PAGE = 100


def facts_of(repo: Repo, revision: str, *, full: bool = True, with_sizes: bool = False) -> dict[str, Any]:
    """`full` adds card, files and commit, as for one dataset or a search with `full=True`."""
    facts: dict[str, Any] = {
        "_id": blob_id(repo.id.encode())[:24],
        "id": repo.id,
        "author": repo.id.split("/")[0],
        "private": repo.private,
        "gated": repo.gated,
        "disabled": False,
        "likes": repo.likes,
        "downloads": repo.downloads,
        "tags": repo.all_tags(),
        "lastModified": f"{repo.changed_at:%Y-%m-%dT%H:%M:%S}.000Z",
        "createdAt": "2022-03-02T23:29:22.000Z",
    }
    if full:
        files = repo.commits[revision]
        facts |= {
            "sha": revision,
            "cardData": repo.card,
            "usedStorage": sum(map(len, files.values())),
            "mainSize": sum(map(len, files.values())),
            "siblings": [
                {"rfilename": path, **({"size": len(content), "blobId": blob_id(content)} if with_sizes else {})}
                for path, content in sorted(files.items())
            ],
        }
    return facts


def may_read(repo: Repo, request: Request) -> bool:
    return request.token in repo.readers


def opened(hub: HubEmulator, request: Request, repo: str, revision: str = "main") -> tuple[Repo, str] | Reply:
    """The repository at a commit, or the Hub's refusal: a private one looks like one that is not there."""
    if request.token and hub.tokens and request.token not in hub.tokens:
        return error(401, "", "Invalid credentials in Authorization header")
    if repo in hub.moved:
        where = request.target.replace(quote(repo), quote(hub.moved[repo]), 1)
        return Reply(307, b"", {"Location": where})
    found = hub.repos.get(repo)
    if found is None or (found.private and not may_read(found, request)):
        return error(404 if request.token else 401, "RepoNotFound", "Repository not found")
    commit = found.resolve(revision)
    if commit is None:
        return error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
    return found, commit


def refusal(repo: Repo, request: Request) -> Reply | None:
    """Files of a gated dataset are for those whom it let in."""
    if not repo.gated or may_read(repo, request):
        return None
    if not request.token:
        return error(401, "GatedRepo", f"Access to dataset {repo.id} is restricted. You must have access to it.")
    return error(403, "GatedRepo", f"Access to dataset {repo.id} is restricted and you are not in the authorized list.")


@routes.on("GET", "/api/datasets")
def search(request: Request, hub: HubEmulator) -> Reply:
    words = " ".join(request.all_of_query.get("search", [])).lower()
    found = [
        repo
        for repo in hub.repos.values()
        if words in repo.id.lower() and (not repo.private or may_read(repo, request))
    ]
    if request.query.get("sort") in (None, "downloads"):
        found.sort(key=lambda repo: -repo.downloads)
    limit = min(int(request.query.get("limit", PAGE)), PAGE)
    start = int(request.query.get("cursor", 0))
    expand = request.all_of_query.get("expand", [])
    full = request.query.get("full", "").lower() == "true" or bool(expand)
    page = [facts_of(repo, repo.refs["main"], full=full) for repo in found[start : start + limit]]
    if expand:  # only what was asked for
        page = [{name: facts[name] for name in ("_id", "id", *expand) if name in facts} for facts in page]
    headers = {}
    if start + limit < len(found):
        query = "&".join(
            f"{name}={quote(value)}"
            for name, values in request.all_of_query.items()
            for value in values
            if name != "cursor"
        )
        headers["Link"] = f'<{hub.endpoint}/api/datasets?{query}&cursor={start + limit}>; rel="next"'
    return Reply(200, page, headers)


@routes.on("GET", rf"{DATASETS}/auth-check")
def check_access(request: Request, hub: HubEmulator, repo: str) -> Reply:
    found = opened(hub, request, repo)
    if isinstance(found, Reply):
        return found
    return refusal(found[0], request) or Reply(200, {})


@routes.on("GET", rf"{DATASETS}/refs")
def list_refs(request: Request, hub: HubEmulator, repo: str) -> Reply:
    found = opened(hub, request, repo)
    if isinstance(found, Reply):
        return found
    branches = [
        {"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit} for name, commit in found[0].refs.items()
    ]
    return Reply(200, {"branches": branches, "converts": [], "tags": []})


@routes.on("GET", rf"{DATASETS}/tree/(?P<revision>[^/]+)(?:/(?P<folder>.*))?")
def list_tree(request: Request, hub: HubEmulator, repo: str, revision: str, folder: str | None) -> Reply:
    found = opened(hub, request, repo, revision)
    if isinstance(found, Reply):
        return found
    kept, commit = found
    start = f"{folder.strip('/')}/" if folder else ""
    is_deep = request.query.get("recursive", "").lower() == "true"
    files, folders = [], set()
    for path, content in sorted(kept.commits[commit].items()):
        if not path.startswith(start):
            continue
        parents = path.removeprefix(start).split("/")[:-1]
        folders |= {
            start + "/".join(parents[: depth + 1]) for depth in range(len(parents) if is_deep else 1) if parents
        }
        if is_deep or not parents:
            files.append(_entry(path, content))
    if start and not files and not folders:
        return error(404, "EntryNotFound", f"{folder} does not exist on {revision}")
    listed = [{"type": "directory", "path": path, "oid": blob_id(path.encode()), "size": 0} for path in sorted(folders)]
    return Reply(200, [*listed, *files])


@routes.on("POST", rf"{DATASETS}/paths-info/(?P<revision>.+)")
def list_paths(request: Request, hub: HubEmulator, repo: str, revision: str) -> Reply:
    found = opened(hub, request, repo, revision)
    if isinstance(found, Reply):
        return found
    kept, commit = found
    entries: list[dict[str, Any]] = []
    for path in request.form.get("paths", []):
        if path in kept.commits[commit]:
            entries.append(_entry(path, kept.commits[commit][path]))
        elif any(name.startswith(f"{path.strip('/')}/") for name in kept.commits[commit]):
            entries.append({"type": "directory", "path": path, "oid": blob_id(path.encode()), "size": 0})
    return Reply(200, entries)


def _entry(path: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "path": path, "oid": blob_id(content), "size": len(content)}


@routes.on("GET", rf"{DATASETS}(?:/revision/(?P<revision>.+))?")
def describe(request: Request, hub: HubEmulator, repo: str, revision: str | None) -> Reply:
    found = opened(hub, request, repo, revision or "main")
    if isinstance(found, Reply):
        return found
    return Reply(200, facts_of(*found, with_sizes=request.query.get("blobs", "").lower() == "true"))


@routes.on("GET|HEAD", rf"/datasets/{ID}/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
def send_file(request: Request, hub: HubEmulator, repo: str, revision: str, path: str) -> Reply:
    found = opened(hub, request, repo, revision)
    if isinstance(found, Reply):
        return found
    kept, commit = found
    if path != "README.md" and (refused := refusal(kept, request)):
        return refused
    content = kept.commits[commit].get(path)
    if content is None:
        reply = error(404, "EntryNotFound", "Entry not found")
        reply.headers["X-Repo-Commit"] = commit
        return reply
    headers = {"X-Repo-Commit": commit, "ETag": f'"{blob_id(content)}"', "Accept-Ranges": "bytes"}
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if wanted is None:
        return Reply(200, content, headers)
    first, last = int(wanted[1]), int(wanted[2] or len(content) - 1)
    if first >= len(content):
        return Reply(416, b"", headers)
    headers["Content-Range"] = f"bytes {first}-{min(last, len(content) - 1)}/{len(content)}"
    return Reply(206, content[first : last + 1], headers)


@routes.on("GET", "/api/agent-harnesses")
def list_harnesses(request: Request, hub: HubEmulator) -> Reply:
    """huggingface_hub asks for it once a day, to name its caller."""
    return Reply(200, {"harnesses": []})


@routes.on("GET", "/api/whoami-v2")
def who_am_i(request: Request, hub: HubEmulator) -> Reply:
    name = hub.tokens.get(request.token)
    if name is None:
        return error(401, "", "Invalid credentials in Authorization header")
    access = {"displayName": "test", "role": "write"}
    return Reply(
        200, {"type": "user", "name": name, "orgs": [], "auth": {"type": "access_token", "accessToken": access}}
    )
