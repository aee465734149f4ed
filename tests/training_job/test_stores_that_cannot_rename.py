"""On Azure the output folder is a mounted blob container, which may refuse to rename: the run ends well anyhow."""

from __future__ import annotations

import errno
import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training_job.conftest import read_lines
from training_job.tuning.fine_tuning import main

pytestmark = pytest.mark.slow


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nothing can be renamed, nor anything moved to it."""
    place = tmp_path / "mounted"
    refused = {str(place)}

    def refuse(event: str, details: tuple[Any, ...]) -> None:
        if event == "os.rename" and any(folder in str(details[1]) for folder in refused):
            raise OSError(errno.ENOTSUP, "this store can't rename", details[1])

    sys.addaudithook(refuse)
    yield place
    refused.clear()  # the hook itself stays for as long as Python runs


@pytest.mark.usefixtures("in_process")
def test_a_run_and_its_resumption_need_no_renaming(
    job_arguments: Callable[..., list[str]], mounted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    arguments = job_arguments(mounted, "--method=lora", "--num-train-epochs=4", "--save-steps=4")
    mounted.mkdir()
    (mounted / "a").touch()
    with pytest.raises(OSError, match="can't rename"):
        (mounted / "a").rename(mounted / "b")
    (mounted / "a").unlink()

    assert main(arguments) == 0
    assert json.loads((mounted / "result.json").read_text())["steps"] == 12
    assert (mounted / "model" / "MLmodel").is_file()
    assert list((mounted / "model" / "model").glob("*.safetensors"))
    assert not list(mounted.glob("model.partial*")) and not list(mounted.glob(".*.tmp"))
    (mounted / "result.json").unlink()
    assert main(arguments) == 0
    assert "Resuming from checkpoint-12" in caplog.text
    assert [line["step"] for line in read_lines(mounted / "metrics.jsonl") if line["kind"] == "eval"][-1] == 12
