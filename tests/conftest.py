"""For every test: the person's own workspace folder and keyring stay untouched."""

import os
import tempfile

os.environ["PHIDESK_HOME"] = tempfile.mkdtemp(prefix="phidesk-tests-")
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
