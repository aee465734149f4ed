"""For every test: the person's own workspace folder and keyring stay untouched, and no vendor's package phones home."""

import os
import sys
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Compiled modules are kept, or each of hundreds of processes compiles all it imports anew: 6 of a training's 19 s.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

from backend.settings import QUIET_ENVIRONMENT  # noqa: E402

os.environ["PHIDESK_HOME"] = tempfile.mkdtemp(prefix="phidesk-tests-")
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
os.environ.update(QUIET_ENVIRONMENT)  # as the app itself does at its start, before prompt flow is imported
# Several tests run at once: threads that spin while they wait, or outnumber the cores, take the time of the others.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

if not os.environ.get("CI"):  # where hypothesis itself asks for no speed
    settings.register_profile("busy machine", deadline=None)
    settings.load_profile("busy machine")

LONG = (
    "e2e/test_azure_journey",
    "e2e/test_whole_loop",
    "e2e/test_pages_open",
    "e2e/test_cloud_pages",
    "azure_faults/test_matrix",
    "training_job/test_interruptions",
    "contract/test_target",
    "training_job/test_several_processes",
    "e2e/test_dataset_view",
    "training_job/test_runs",
    "unit/studio/test_corpus",
    "contract/test_endpoint_deaths",
)
"""Files that take a minute or more, the longest first."""


@pytest.fixture(autouse=True)
def main_module_of_its_own() -> Iterator[None]:
    """A page that is run in the test's process leaves its script as `__main__`, which processes begun later import."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that the workers end at about the same time."""
    items.sort(key=lambda item: next((place for place, name in enumerate(LONG) if name in item.nodeid), len(LONG)))
