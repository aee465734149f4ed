"""Imports without the seconds that loading `datasets` takes: a process that has loaded it forks for each of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from backend.settings import QUIET_ENVIRONMENT
from backend.studio.hub_import import ENVIRONMENT, HubImport, prepare_import, read_import
from backend.studio.hub_request import HubRequest
from tests.hub_emulator.server import HubEmulator

_CODE = """
import json, os, pathlib, sys, traceback
import datasets
from backend.studio import hub_fetch
for line in sys.stdin:
    place, token = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(place)
        if token:
            os.environ["HF_TOKEN"] = token
        try:
            hub_fetch.fetch(pathlib.Path(place))
        except SystemExit:
            pass
        except BaseException:
            traceback.print_exc(file=open(f"{place}/log.txt", "w"))
        os._exit(0)
    os.waitpid(child, 0)
    print("over", flush=True)
"""
_ROOT = Path(__file__).parents[2]


class WarmFetch:
    def __init__(self, hub: HubEmulator, folder: Path) -> None:
        self.folder = folder / "datasets"
        environment = {name: value for name, value in os.environ.items() if name != "HF_TOKEN"}
        environment |= {**QUIET_ENVIRONMENT, **ENVIRONMENT, "PYTHONPATH": str(_ROOT)}
        environment |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(folder / "hf")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )

    def get(self, request: HubRequest, token: str = "", *, as_draft: bool = True) -> HubImport:
        """The import once it is over, in the very state that pages see."""
        place = prepare_import(self.folder, request, as_draft=as_draft)
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([str(place.resolve()), token]) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "over\n", "the warm process died"
        return read_import(self.folder, place.name)

    def __enter__(self) -> WarmFetch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)
