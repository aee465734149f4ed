"""From a model's address (azureml://…) to its blobs, and from there to a folder of this computer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.azure_emulator.world import World


def place_of(world: World, workspace: dict[str, Any], uri: str) -> tuple[str, str, str] | None:
    """Account, container and prefix; None for an address that is no place in this workspace's storage."""
    facts = workspace["properties"]
    account = facts["storageAccount"].rpartition("/")[2]
    stores = {"workspaceblobstore": f"azureml-blobstore-{facts['workspaceId']}", "workspaceartifactstore": "azureml"}
    in_store = re.search(r"datastores/([^/]+)/paths/(.*)$", uri)
    if in_store and in_store[1] in stores:
        return account, stores[in_store[1]], in_store[2]
    of_job = re.fullmatch(r"azureml://jobs/([^/]+)/outputs/([^/]+)(?:/paths/?(.*)|/?)", uri)
    if of_job:
        job, output, path = of_job[1], of_job[2], of_job[3] or ""
        if output == "artifacts":
            return account, "azureml", f"ExperimentRun/dcid.{job}/{path}"
        kept = world.arm.get(f"{workspace['id']}/jobs/{job}".lower(), {})
        given = ((kept.get("properties") or {}).get("outputs") or {}).get(output) or {}
        named = re.search(r"datastores/([^/]+)/paths/(.*)$", given.get("uri") or "")
        if named and named[1] in stores and "${{" not in named[2]:
            return account, stores[named[1]], f"{named[2].rstrip('/')}/{path}"
        return account, stores["workspaceblobstore"], f"azureml/{job}/{output}/{path}"
    blob = re.fullmatch(r"https://([^.]+)\.blob\.core\.windows\.net/([^/]+)/(.*)", uri)
    return (blob[1], blob[2], blob[3]) if blob else None


def fetch(world: World, workspace: dict[str, Any], uri: str, target: Path) -> Path | None:
    """All that lies at the address, in `target`; None when there is nothing."""
    place = place_of(world, workspace, uri)
    if place is None or world.azurite is None:
        return None
    account, container, prefix = place
    target.mkdir(parents=True, exist_ok=True)
    return target if world.azurite.download(account, container, prefix, target) else None
