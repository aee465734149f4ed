"""Data assets of the workspace as a source, with the unpatched SDK over the emulated cloud and its storage."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.azure.asset_source import AzureDataAssets
from backend.azure.blob_store import BlobStore
from backend.azure.connection import Connection
from backend.azure.data_assets import ensure_data
from backend.errors import BadInput, Conflict, NotFound


@pytest.fixture
def assets(connection: Connection) -> AzureDataAssets:
    return AzureDataAssets(connection)


def register(connection: Connection, name: str, version: str, kind: str, path: str) -> None:
    from azure.ai.ml.entities import Data

    connection.ml().data.create_or_update(Data(name=name, version=version, type=kind, path=path))


def put(connection: Connection, path: str, content: bytes) -> None:
    BlobStore(connection).write(path, content)


def test_assets_are_listed_with_their_newest_version(assets: AzureDataAssets, connection: Connection) -> None:
    assert list(assets.list()) == []
    for version in ("1", "2"):
        register(connection, "tickets", version, "uri_folder", "azureml://datastores/workspaceblobstore/paths/tickets/")
    register(connection, "faq", "7", "uri_file", "azureml://datastores/workspaceblobstore/paths/faq.csv")
    found = {asset.name: (asset.version, asset.kind) for asset in assets.list()}
    assert found == {"tickets": ("2", "uri_folder"), "faq": ("7", "uri_file")}
    assert all(asset.created_at is not None for asset in assets.list())


def test_a_file_that_phi_desk_uploaded_comes_back_the_same(
    assets: AzureDataAssets, connection: Connection, tmp_path: Path
) -> None:
    source = tmp_path / "train.jsonl"
    source.write_bytes(b'{"messages": []}\n' * 1000)
    reference = ensure_data(connection, BlobStore(connection), source, "phidesk-chats-train", lambda text: None)
    name, version = reference.removeprefix("azureml:").split(":")
    seen: list[tuple[int, int]] = []
    made = assets.download(name, version, tmp_path / "assets", lambda done, total: seen.append((done, total)))
    assert made == tmp_path / "assets" / f"{name}-{version}"
    assert [path.name for path in made.iterdir()] == ["train.jsonl"]
    assert (made / "train.jsonl").read_bytes() == source.read_bytes()
    assert seen[-1] == (17_000, 17_000) and seen == sorted(seen)


def test_a_folder_comes_with_its_folders_and_nothing_of_its_neighbours(
    assets: AzureDataAssets, connection: Connection, tmp_path: Path
) -> None:
    files = {
        "tickets/a.jsonl": b"a",
        "tickets/2025/b.csv": b"b",
        "tickets/empty.jsonl": b"",
        "tickets-old/c.jsonl": b"c",
    }
    for path, content in files.items():
        put(connection, path, content)
    register(connection, "tickets", "1", "uri_folder", "azureml://datastores/workspaceblobstore/paths/tickets/")
    made = assets.download("tickets", "1", tmp_path)
    got = {path.relative_to(made).as_posix(): path.read_bytes() for path in made.rglob("*") if path.is_file()}
    assert got == {"a.jsonl": b"a", "2025/b.csv": b"b", "empty.jsonl": b""}
    with pytest.raises(Conflict):
        assets.download("tickets", "1", tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_is_gone_or_elsewhere_is_said(assets: AzureDataAssets, connection: Connection, tmp_path: Path) -> None:
    register(connection, "gone", "1", "uri_file", "azureml://datastores/workspaceblobstore/paths/gone.jsonl")
    register(connection, "web", "1", "uri_file", "https://example.com/data.jsonl?sig=secret")
    with pytest.raises(NotFound) as caught:
        assets.download("gone", "1", tmp_path / "assets")
    assert caught.value.code == "empty_data_asset" and "gone.jsonl" in caught.value.why
    with pytest.raises(BadInput) as refused:
        assets.download("web", "1", tmp_path / "assets")
    assert refused.value.code == "asset_elsewhere" and "secret" not in str(refused.value)
    with pytest.raises(NotFound) as unknown:
        assets.download("gone", "2", tmp_path / "assets")
    assert unknown.value.code == "no_such_data_asset"
    assert list((tmp_path / "assets").iterdir()) == []


def test_a_file_in_the_way_is_left_alone(assets: AzureDataAssets, connection: Connection, tmp_path: Path) -> None:
    put(connection, "tickets/a.jsonl", b"a")
    register(connection, "tickets", "1", "uri_folder", "azureml://datastores/workspaceblobstore/paths/tickets/")
    (tmp_path / "tickets-1").write_text("mine")
    with pytest.raises(Conflict):
        assets.download("tickets", "1", tmp_path)
    assert (tmp_path / "tickets-1").read_text() == "mine"
