"""The small parts of the local target: logs, keys, ports, base models, the machine, the command line of a run."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from pathlib import Path

import keyring
import keyring.backend
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain import BUILT_IN_MODEL, JobKind, JobSpec, Model
from backend.errors import BadInput, NotFound, Unavailable
from backend.local import machine as machine_module
from backend.local.base_models import BaseModels, fit, known_base_models
from backend.local.endpoint_keys import delete_key, make_key, read_key
from backend.local.engine import Stopper
from backend.local.files import read_json, write_json
from backend.local.machine import Gpu, Machine, check_machine, find_gpu
from backend.local.model_server import bind, free_port
from backend.local.processes import ProcessId
from backend.local.run_folder import RunFolder
from backend.local.training_command import training_command
from backend.log_chunks import read_log
from backend.model_files import count_parameters

MACHINE = Machine("CPU", 2, 24_000_000_000, 20_000_000_000, 80_000_000_000, None)


@given(st.text(min_size=1), st.integers(0, 40))
def test_pieces_of_a_log_join_to_the_whole_wherever_it_was_cut(
    tmp_path_factory: pytest.TempPathFactory, text: str, cut: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.txt"
    data = text.encode()
    path.write_bytes(data[:cut])
    first = read_log(path, 0)
    path.write_bytes(data)
    second = read_log(path, first.end)
    assert first.text + second.text == text
    assert second.start == first.end


def test_the_last_64_kib_of_a_log_begin_with_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("".join(f"line {number} ü\n" for number in range(20_000)))
    tail = read_log(path, None)
    assert tail.text.startswith("line ")
    assert tail.text.endswith("line 19999 ü\n")
    assert 60_000 < tail.end - tail.start <= 65_536
    assert read_log(tmp_path / "absent", None).text == ""


def test_half_a_json_file_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"x": ')
    assert read_json(tmp_path / "a.json") is None
    write_json(tmp_path / "a.json", {"x": "ü"})
    assert read_json(tmp_path / "a.json") == {"x": "ü"}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_process_with_another_start_time_is_another_process() -> None:
    here = ProcessId.here()
    assert here.is_alive()
    assert not ProcessId(here.pid, here.started - 10).is_alive()
    assert ProcessId.from_json(here.to_json()) == here
    assert ProcessId.from_json({"pid": "x"}) is None


class MemoryKeyring(keyring.backend.KeyringBackend):
    """A keyring that works, for as long as the test."""

    priority = 5  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


class LockedKeyring(MemoryKeyring):
    def set_password(self, service: str, username: str, password: str) -> None:
        raise keyring.errors.KeyringLocked("no desktop")


@pytest.mark.parametrize("backend", [MemoryKeyring, LockedKeyring, keyring.backends.fail.Keyring])
def test_a_key_is_kept_in_a_keyring_that_works_else_in_a_private_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: type
) -> None:
    ring = backend()
    monkeypatch.setattr(keyring.core, "_keyring_backend", ring)
    folder = tmp_path / "harbour"
    folder.mkdir()
    make_key(folder)
    key = read_key(folder)
    make_key(folder)
    assert read_key(folder) == key
    assert len(key) > 30
    if backend is MemoryKeyring:
        assert list(folder.iterdir()) == []
        assert list(ring.kept.values()) == [key]
    else:
        assert stat.S_IMODE((folder / "key").stat().st_mode) == 0o600
    delete_key(folder)
    delete_key(folder)
    with pytest.raises(FileNotFoundError):
        read_key(folder)


def test_two_workspaces_do_not_share_a_key_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", MemoryKeyring())
    folders = [tmp_path / name / "harbour" for name in ("a", "b")]
    for folder in folders:
        folder.mkdir(parents=True)
        make_key(folder)
    assert read_key(folders[0]) != read_key(folders[1])


def test_an_endpoint_gets_its_port_again_or_another_when_somebody_has_it(tmp_path: Path) -> None:
    with bind(tmp_path / ".lock", 0, is_shared=False) as first:
        port = first.getsockname()[1]
        first.listen()
        with bind(tmp_path / ".lock", port, is_shared=False) as stranger:
            assert stranger.getsockname()[1] != port
        with bind(tmp_path / ".lock", port, is_shared=True) as successor:
            assert successor.getsockname()[1] == port
    with bind(tmp_path / ".lock", port, is_shared=False) as again:
        assert again.getsockname() == ("127.0.0.1", port)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with bind(tmp_path / ".lock", other.getsockname()[1], is_shared=False) as moved:
            assert moved.getsockname()[1] != other.getsockname()[1]


@given(st.lists(st.text("abEND", max_size=6), max_size=12), st.lists(st.text("abEND", min_size=1), max_size=3))
def test_a_stop_text_is_cut_however_the_pieces_come(pieces: list[str], stops: list[str]) -> None:
    stopper, shown = Stopper(tuple(stops)), ""
    for piece in pieces:
        shown += stopper.feed(piece)
        if stopper.has_stopped:
            break
    shown += stopper.rest()
    whole = "".join(pieces)
    ends = [whole.index(stop) + len(stop) for stop in stops if stop in whole]
    assert whole.startswith(shown)
    assert stopper.has_stopped == bool(ends)
    assert not any(stop in shown for stop in stops)
    if not ends:
        assert shown == whole


def make_folder(path: Path, *names: str) -> Path:
    path.mkdir(exist_ok=True)
    for name in names:
        header = json.dumps({"a": {"shape": [3, 4], "dtype": "F32"}, "__metadata__": {}}).encode()
        data = len(header).to_bytes(8, "little") + header if name.endswith(".safetensors") else b"{}"
        (path / name).write_bytes(data)
    return path


def no_model(ref: str) -> Model:
    raise NotFound(ref)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_model_folder_says_what_it_lacks(tmp_path: Path, missing: str) -> None:
    bases = BaseModels(no_model)
    whole = {"config.json", "model.safetensors", "tokenizer.json"}
    folder = make_folder(tmp_path / "good", *whole)
    assert bases.resolve(str(folder)) == str(folder)
    assert count_parameters(folder) == 12
    broken = make_folder(tmp_path / "broken", *(whole - {missing}))
    with pytest.raises(BadInput) as caught:
        bases.resolve(str(broken))
    assert missing.split(".")[-1] in caught.value.why


def test_a_base_model_is_built_in_registered_a_folder_or_a_hub_id(tmp_path: Path) -> None:
    bases = BaseModels(no_model, tmp_path / "absent")
    assert bases.resolve("microsoft/Phi-4-mini-instruct") == "microsoft/Phi-4-mini-instruct"
    for bad in ("nonsense", "/no/such/folder", "a/b/c", "https://x/y", ""):
        with pytest.raises(BadInput):
            bases.resolve(bad)
    with pytest.raises(NotFound):
        bases.resolve("harbour:1")
    with pytest.raises(Unavailable):
        bases.resolve(BUILT_IN_MODEL)


def test_what_fits_is_said_with_numbers() -> None:
    assert fit(3_600_000, 0, MACHINE)[0]
    fits, reason = fit(3_820_000_000, 7_640_000_000, MACHINE)
    assert fits
    assert "LoRA fits" in reason
    assert "Without a GPU" in reason
    small = Machine("CPU", 2, 8_000_000_000, 6_000_000_000, 80_000_000_000, None)
    assert not fit(3_820_000_000, 0, small)[0]
    full_disk = Machine("CPU", 2, 24_000_000_000, 20_000_000_000, 5_000_000_000, None)
    fits, reason = fit(3_820_000_000, 7_640_000_000, full_disk)
    assert not fits
    assert "5.0 GB are free" in reason
    gpu = Machine("CPU", 16, 128_000_000_000, 100_000_000_000, 10**12, Gpu("H200", 150_000_000_000))
    assert "Full training fits" in fit(3_820_000_000, 0, gpu)[1]


def test_without_weights_the_built_in_model_does_not_fit(tmp_path: Path) -> None:
    assert not known_base_models(tmp_path, tmp_path / "absent")[0].fits


def test_no_gpu_is_a_warning_and_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_module, "find_gpu", lambda: None)
    gpu = next(check for check in check_machine(tmp_path, tmp_path) if check.name == "GPU")
    assert gpu.is_warning
    assert gpu.what.startswith("No GPU found. ")
    assert gpu.how_to_fix


def test_the_largest_gpu_is_read_from_nvidia_s_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA A10, 23028'\necho 'NVIDIA H200, with a comma, 143771'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    find_gpu.cache_clear()
    assert find_gpu() == Gpu("NVIDIA H200, with a comma", 143771 * 1024**2)
    find_gpu.cache_clear()


def test_a_home_that_can_not_be_written_fails_its_check(tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.write_text("")
    checks = {check.name: check for check in check_machine(home, tmp_path)}
    assert not checks["Workspace folder"].is_ok
    assert checks["Workspace folder"].how_to_fix
    assert not checks["Base model"].is_ok
    assert all(check.is_ok for name, check in checks.items() if name in ("Python", "Processor"))


def test_the_arguments_of_a_spec_become_options(tmp_path: Path) -> None:
    values = {"learning_rate": 5e-6, "packing": True, "keep_best": False, "max_steps": -1, "eval_steps": None}
    spec = JobSpec(
        "r", "r", JobKind.FINE_TUNE, "microsoft/Phi-4-mini-instruct", "d", "d", "t.jsonl", "e.jsonl", "", values,
        recipe="tutorial", base_revision="abc",
    )  # fmt: skip
    command = training_command(spec, RunFolder(tmp_path / "r"), tmp_path, BaseModels(no_model))
    assert "--learning-rate=5e-06" in command
    assert "--max-steps=-1" in command
    assert {"--packing", "--no-keep-best"} <= set(command)
    assert not any("eval-steps" in part for part in command)
    assert command[command.index("--recipe") + 1] == "tutorial"
    assert command[command.index("--revision") + 1] == "abc"


def test_a_port_that_comes_free_in_a_moment_is_waited_for() -> None:
    with socket.socket() as dying:
        dying.bind(("127.0.0.1", 0))
        dying.listen()
        port = dying.getsockname()[1]
        release = threading.Timer(0.3, dying.close)
        release.start()
        assert free_port(port) == port
        release.join()
