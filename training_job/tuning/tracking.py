"""MLflow, when an address for it is set. It runs in a thread of its own: a slow or broken server never stops a run."""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import time
from pathlib import Path
from typing import Any

from .files import write_json

logger = logging.getLogger(__name__)

EXPERIMENT = "phidesk"
CLOSE_SECONDS = 60.0
PROGRESS_TAG = "phidesk.progress"
PROGRESS_SECONDS = 5.0
BATCH = 200
"""Azure ML takes 250 metrics in one request, MLflow's own server 1,000."""


def is_tracking_wanted() -> bool:
    """Azure ML sets the first one for its jobs, and a run id with it."""
    return bool(os.environ.get("MLFLOW_TRACKING_URI"))


class MlflowTracker:
    """Starts at once; what is given before MLflow is imported (4 s) waits in a queue."""

    def __init__(self, output: Path, parameters: dict[str, Any]) -> None:
        self._memory = output / "mlflow_run.json"
        self._parameters = parameters
        self._queue: queue.Queue[tuple[dict[str, float], int, int] | str | None] = queue.Queue()
        self._progress: dict[str, Any] = {}
        self._told: dict[str, Any] = {}
        self._is_progress_taken = True
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def metrics(self, values: dict[str, float], step: int) -> None:
        self._queue.put((values, step, int(time.time() * 1000)))

    def progress(self, record: dict[str, Any]) -> None:
        """For who watches from afar: the newest phase and step, and the first step seen, which tells the speed."""
        now = {**self._progress, "time": record["time"]}
        if record["kind"] == "phase":
            now |= {"phase": record["phase"], "done": record.get("done")}
        elif "step" in record:
            now |= {"step": record["step"], "total_steps": record["total_steps"]}
            if record["kind"] in ("train", "heartbeat") and record["step"] > 0 and "first_step" not in now:
                now |= {"first_step": record["step"], "first_time": record["time"]}
        self._progress = now
        self._queue.put(None)

    def close(self, status: str) -> None:
        """`status` is MLflow's: FINISHED, FAILED or KILLED. Waits for what is still to be sent, a minute at most."""
        self._queue.put(status)
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            logger.warning("MLflow did not take all metrics within %d s; metrics.jsonl has them.", CLOSE_SECONDS)

    def _work(self) -> None:
        try:
            self._send_all()
        except Exception as error:  # noqa: BLE001  (any plug-in may raise anything; the run matters more than its chart)
            logger.warning(
                "MLflow failed (%s: %s). The run goes on; metrics.jsonl has all.", type(error).__name__, error
            )

    def _send_all(self) -> None:
        import mlflow
        from mlflow.entities import Metric, Param

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        client = mlflow.MlflowClient()
        run_id, is_ours = self._open_run(client)
        parameters = [Param(name, str(value)) for name, value in self._parameters.items()]
        if parameters:
            client.log_batch(run_id, params=parameters)
        status: str | None = None
        while status is None:
            items = [self._queue.get()]
            while not self._queue.empty():
                items.append(self._queue.get_nowait())
            batch = []
            for item in items:
                if isinstance(item, str):
                    status = item
                elif item is not None:
                    values, step, at = item
                    batch += [Metric(name, float(value), at, step) for name, value in values.items()]
            for start in range(0, len(batch), BATCH):
                client.log_batch(run_id, metrics=batch[start : start + BATCH])
            self._tell_progress(client, run_id, is_last=status is not None)
        if is_ours:
            client.set_terminated(run_id, status)

    def _tell_progress(self, client: Any, run_id: str, *, is_last: bool) -> None:
        from mlflow.exceptions import MlflowException

        now, told = self._progress, self._told
        is_news = now.get("phase") != told.get("phase") or now.get("time", 0) - told.get("time", 0) >= PROGRESS_SECONDS
        if not self._is_progress_taken or now == told or not (is_news or is_last):
            return
        try:
            client.set_tag(run_id, PROGRESS_TAG, json.dumps(now))
            self._told = now
        except MlflowException as error:
            logger.warning("MLflow takes no tags (%s); the metrics go on.", error)
            self._is_progress_taken = False

    def _open_run(self, client: Any) -> tuple[str, bool]:
        """The run's id, and whether it is ours to end. Azure ML's job is its own run; a resumed run is the same run."""
        from mlflow.exceptions import MlflowException

        if given := os.environ.get("MLFLOW_RUN_ID"):
            return given, False
        if self._memory.exists():
            known = str(json.loads(self._memory.read_text(encoding="utf-8"))["run_id"])
            try:
                client.update_run(known, status="RUNNING")
            except MlflowException as error:
                logger.warning("MLflow does not know the earlier attempt's run (%s): a new one begins.", error)
            else:
                return known, True
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        experiment = client.get_experiment_by_name(name)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(name)
        run = client.create_run(experiment_id, run_name=os.environ.get("MLFLOW_RUN_NAME"))
        write_json(self._memory, {"run_id": run.info.run_id})
        return str(run.info.run_id), True
