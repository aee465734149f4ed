"""The same stand-in under the other script's name."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).with_name("fine_tune.py")), run_name="__main__")
