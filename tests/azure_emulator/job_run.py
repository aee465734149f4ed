"""One job as it runs: queue, machines, inputs as folders, the command as real processes, log and outputs into blobs."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.azure_emulator import assets, fine_tuning, model_files
from tests.azure_emulator.blob_mount import BlobMount, GrowingBlob
from tests.azure_emulator.faults import Fault
from tests.azure_emulator.jobs import new_asset_id, plain, workspace_of
from tests.azure_emulator.world import World, utc

POLL = 0.05
GRACE = 10.0
# A job's machine has none of these of ours.
NOT_INHERITED = re.compile(r"PHIDESK_|AZURE_|MLFLOW_|PYTEST_|STREAMLIT_|COVERAGE_|PYTHONPATH$|VIRTUAL_ENV$")


class JobFailed(Exception):
    """The words that run history will tell, with its code."""

    def __init__(self, message: str, code: str = "UserError") -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Plan:
    """What is to be run where: `command` for a shell, in `cwd`."""

    command: str
    cwd: Path
    environment: dict[str, str] = field(default_factory=dict)


class JobRun:
    def __init__(self, world: World, kept: dict[str, Any], fault: Fault | None) -> None:
        self.world = world
        self.kept = kept
        self.facts: dict[str, Any] = kept["properties"]
        self.name: str = kept["name"]
        self.fault = fault
        self.workspace = workspace_of(world, kept)
        self.error: dict[str, Any] | None = None
        self.started_at = ""
        self.ended_at = ""
        self.output_assets: dict[str, dict[str, str]] = {}  # output: {"assetId", "type", "uri"}
        self.logs: list[str] = []
        self._canceled = threading.Event()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._mounts: dict[str, BlobMount] = {}
        self._growing: list[tuple[Path, GrowingBlob]] = []
        self._folder = Path()
        self._thread = threading.Thread(target=self._work, name=f"job-{self.name}", daemon=True)

    @property
    def account(self) -> str:
        return assets.account_of(self.workspace)

    @property
    def artifacts(self) -> str:
        """Prefix of the run's own blobs in container `azureml`."""
        return f"ExperimentRun/dcid.{self.name}"

    def output_folder(self, name: str) -> Path | None:
        """Of an output, on the machine that runs the job; None before there is one."""
        return self._folder / "outputs" / name if self._folder != Path() else None

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join(30)

    def cancel(self) -> None:
        with self.world.lock:
            if self.facts["status"] not in ("Completed", "Failed", "Canceled"):
                self.facts["status"] = "CancelRequested"
        self._canceled.set()

    def _enter(self, state: str) -> None:
        """The next state, unless the job is being canceled; stays there as long as a test holds it."""
        if self._canceled.is_set():
            raise InterruptedError
        with self.world.lock:
            self.facts["status"] = state
        self.world.jobs.wait_at(state, self._canceled)
        if self._canceled.is_set():
            raise InterruptedError

    def _work(self) -> None:
        end = "Failed"
        try:
            for state in ("Queued", "Preparing"):
                self._enter(state)
            self._folder = assets.temporary(self.world, f"job-{self.name}")
            self._refuse_by_fault()
            plan = self._prepare()
            self.world.mlflow.open_run(self.workspace, self.name, self.facts)
            self.started_at = utc(self.world.now())
            self._enter("Running")
            self._run(plan)
            self._enter("Finalizing")
            self._publish()
            end = "Completed"
        except InterruptedError:
            end = "Canceled"
        except JobFailed as failure:
            self.error = _error_of(str(failure), failure.code)
        except Exception:  # noqa: BLE001 - told as the service would tell a defect of its own
            self.error = _error_of(traceback.format_exc(), "SystemError")
        finally:
            self._wind_up(end)

    def _wind_up(self, end: str) -> None:
        try:
            self._stop_processes()
            self._sync(final=True)
        except Exception:  # noqa: BLE001 - the storage is gone at the end of the world
            if not self._canceled.is_set():
                self.error = self.error or _error_of(traceback.format_exc(), "SystemError")
                end = "Failed"
        self.ended_at = utc(self.world.now())
        status = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED"}[end]
        with contextlib.suppress(Exception):
            self.world.mlflow.end_run(self.workspace, self.name, status)
        with self.world.lock:
            self.facts["status"] = end
        if self._folder != Path():
            shutil.rmtree(self._folder, ignore_errors=True)

    def _refuse_by_fault(self) -> None:
        if self.fault is None:
            return
        if self.fault.kind == "image_build":
            text = self.fault.message or "ERROR: No matching distribution found for torch==0.0.0\nfailed to solve\n"
            self._write_log("azureml-logs/20_image_build_log.txt", text)
            raise JobFailed("Image build failed. For more details, check log file azureml-logs/20_image_build_log.txt.")
        raise JobFailed(self.fault.message or "The job was ended by the service.", self.fault.code or "ServiceError")

    # Preparing.

    def _prepare(self) -> Plan:
        if self.facts["jobType"] == "FineTuning":
            details = self.facts["fineTuningDetails"]
            output = self._folder / "outputs" / "tuned"
            data = {
                key: self._input(key, details[key]["uri"])
                for key in ("model", "trainingData", "validationData")
                if details.get(key)
            }
            return Plan(fine_tuning.command(self.world, details, data, output), self._folder)
        cwd = self._folder / "code"
        cwd.mkdir()
        if self.facts.get("codeId"):
            assets.fetch(self.world, self.workspace, self.facts["codeId"], cwd)
        values: dict[str, str] = {}
        environment: dict[str, str] = {}
        for name, given in (self.facts.get("inputs") or {}).items():
            is_literal = given["jobInputType"] == "literal"
            values[f"inputs.{name}"] = str(given["value"]) if is_literal else str(self._input(name, given["uri"]))
            environment[f"AZURE_ML_INPUT_{name}"] = values[f"inputs.{name}"]
        for name, given in self.facts["outputs"].items():
            if name != "default":
                values[f"outputs.{name}"] = str(self._output(name, given or {}))
                environment[f"AZURE_ML_OUTPUT_{name}"] = values[f"outputs.{name}"]
        for kept_by_service in ("outputs", "logs"):
            mount = BlobMount(self.world.azurite, self.account, "azureml", f"{self.artifacts}/{kept_by_service}",
                              cwd / kept_by_service)  # fmt: skip
            self._mounts[f"./{kept_by_service}"] = mount
        environment |= self.facts.get("environmentVariables") or {}
        return Plan(self._filled(self.facts["command"], values), cwd, environment)

    def _filled(self, command: str, values: dict[str, str]) -> str:
        def value(match: re.Match[str]) -> str:
            if match[1] not in values:
                raise JobFailed(f"The command names {match[0]}, which the job does not have.")
            return values[match[1]]

        return re.sub(r"\$\{\{\s*([\w.]+)\s*\}\}", value, command)

    def _input(self, name: str, uri: str) -> Path:
        found = assets.fetch(self.world, self.workspace, uri, self._folder / "inputs" / name)
        if found is None:
            raise JobFailed(
                f"Failed to mount or download input '{name}': {uri} was not found "
                "(ScriptExecution.StreamAccess.NotFound)."
            )
        return found

    def _output(self, name: str, given: dict[str, Any]) -> Path:
        """A folder; with an address of its own it shows what is there already, as a mount does."""
        uri = given.get("uri") or "azureml://datastores/workspaceblobstore/paths/azureml/${{name}}/${{output_name}}/"
        uri = plain(uri, self.name, name)
        place = model_files.place_of(self.world, self.workspace, uri)
        if place is None:
            raise JobFailed(f"Output '{name}' has an address that can not be written: {uri}")
        account, container, prefix = place
        folder = self._folder / "outputs" / name
        mount = BlobMount(self.world.azurite, account, container, prefix, folder)
        mount.pull()
        self._mounts[name] = mount
        given["uri"] = uri
        if self.facts["outputs"].get(name) is None:
            self.facts["outputs"][name] = given
        return folder

    # Running.

    def _environment(self, plan: Plan) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not NOT_INHERITED.match(name)}
        way_here = {name: value for name, value in self.world.environment.items() if not name.startswith("AZURE_")}
        experiment = self.facts.get("experimentName") or "Default"
        return {
            **inherited,
            **way_here,
            "PATH": f"{Path(sys.executable).parent}:{inherited.get('PATH', '')}",
            "HOME": str(self._folder),
            "HF_HUB_OFFLINE": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PYTHONUNBUFFERED": "1",
            "AZUREML_RUN_ID": self.name,
            "AZUREML_EXPERIMENT_NAME": experiment,
            "MLFLOW_TRACKING_URI": self.workspace["properties"]["mlFlowTrackingUri"],
            "MLFLOW_TRACKING_TOKEN": self.world.login.issue("https://ml.azure.com", lifetime=7 * 24 * 3600),
            "MLFLOW_RUN_ID": self.name,
            "MLFLOW_EXPERIMENT_NAME": experiment,
            **plan.environment,
        }

    def _ranks(self) -> list[dict[str, str]]:
        """The environment of each process, as Azure ML sets it for distribution "PyTorch"."""
        distribution = self.facts.get("distribution") or {}
        nodes = int((self.facts.get("resources") or {}).get("instanceCount") or 1)
        if distribution.get("distributionType") != "PyTorch":
            return [{}]
        each = int(distribution.get("processCountPerInstance") or 1)
        common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(nodes * each)}
        return [
            common | {"RANK": str(rank), "NODE_RANK": str(rank // each), "LOCAL_RANK": str(rank % each)}
            for rank in range(nodes * each)
        ]

    def _run(self, plan: Plan) -> None:
        environment, ranks = self._environment(plan), self._ranks()
        for number, rank in enumerate(ranks):
            name = "user_logs/std_log.txt" if len(ranks) == 1 else f"user_logs/std_log_process_{number}.txt"
            path = self._folder / Path(name).name
            self._growing.append((path, self._log_blob(name)))
            with path.open("wb") as log:
                self._processes.append(
                    subprocess.Popen(
                        ["/bin/bash", "-c", plan.command], cwd=plan.cwd, env=environment | rank, stdout=log,
                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
                    )
                )  # fmt: skip
        next_sync = time.monotonic()
        while any(process.poll() is None for process in self._processes):
            if self._canceled.wait(POLL):
                raise InterruptedError
            if any(process.returncode for process in self._processes):
                break
            if time.monotonic() >= next_sync:
                self._sync()
                next_sync = time.monotonic() + 0.25
        self._stop_processes()
        self._sync()
        failed = [process.returncode for process in self._processes if process.returncode]
        if failed:
            self._tell_exit(next((code for code in failed if code > 0), failed[0]))

    def _tell_exit(self, code: int) -> None:
        tail = self._growing[0][0].read_text(errors="replace")[-1000:]
        raise JobFailed(
            f"Execution failed. User process 'bash' exited with status code {code}. Please check log file "
            f"'{self.logs[0]}' for error details. Error: {tail}"
        )

    def _stop_processes(self) -> None:
        """First a chance to end by itself, then none; whole process groups."""
        for how, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
            for process in self._processes:
                if process.poll() is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, how)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and any(process.poll() is None for process in self._processes):
                time.sleep(0.02)
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _sync(self, *, final: bool = False) -> None:
        for path, blob in self._growing:
            blob.append_from(path)
        for mount in self._mounts.values():
            mount.push(final=final)

    def _log_blob(self, name: str) -> GrowingBlob:
        self.logs.append(name)
        return GrowingBlob(self.world.azurite, self.account, "azureml", f"{self.artifacts}/{name}")

    def _write_log(self, name: str, text: str) -> None:
        self._log_blob(name).append(text.encode())

    # Finalizing.

    def _publish(self) -> None:
        """Outputs become assets: data under a made-up name, a named one under its own."""
        self._sync(final=True)
        if self.facts["jobType"] == "FineTuning":
            self._publish_tuned()
            return
        for name, given in self.facts["outputs"].items():
            if name != "default":
                self._keep_asset(name, given, str(given["uri"]), "1", f"azureml_{self.name}_output_{name}")

    def _publish_tuned(self) -> None:
        tuned = fine_tuning.model_folder(self._folder / "outputs" / "tuned")
        for name, given in self.facts["outputs"].items():
            if name == "default":
                continue
            prefix = f"azureml/{self.name}/{name}"
            container = f"azureml-blobstore-{self.workspace['properties']['workspaceId']}"
            self.world.azurite.upload(self.account, container, prefix, tuned)
            given["uri"] = f"azureml://datastores/workspaceblobstore/paths/{prefix}/"
            self._keep_asset(name, given, given["uri"], "1", f"azureml_{self.name}_output_{name}")

    def _keep_asset(self, output: str, given: dict[str, Any], uri: str, version: str, name: str) -> None:
        is_model = given.get("jobOutputType") in ("mlflow_model", "custom_model")
        kind = "models" if is_model else "data"
        if given.get("assetName"):
            name = given["assetName"]
            version = fine_tuning.register(self.world, self.workspace, kind, name, uri, given, self.name)
        words = {"mlflow_model": "MLFlowModel", "custom_model": "CustomModel", "uri_file": "UriFile"}
        where = self.workspace["id"].replace("/providers/Microsoft.MachineLearningServices", "")
        self.output_assets[output] = {
            "assetId": new_asset_id(self.workspace["location"], self.workspace, kind, name, version),
            "type": words.get(given.get("jobOutputType", ""), "UriFolder"),
            "uri": uri.replace("azureml://", f"azureml:/{where}/"),
        }


def _error_of(message: str, code: str) -> dict[str, Any]:
    """In the shape of run history."""
    return {
        "error": {
            "code": code,
            "severity": None,
            "message": message,
            "messageFormat": "{Message}",
            "messageParameters": {"Message": message},
            "details": [],
        },
        "environment": "eastus",
        "location": "eastus",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
