"""For every test: the person's own workspace folder and keyring stay untouched, and no vendor's package phones home."""

import os
import tempfile

from backend.settings import QUIET_ENVIRONMENT

os.environ["PHIDESK_HOME"] = tempfile.mkdtemp(prefix="phidesk-tests-")
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
os.environ.update(QUIET_ENVIRONMENT)  # as the app itself does at its start, before prompt flow is imported
