"""`python -m benchmarks [learning|serving|training ...]`: one JSON object a benchmark on standard output."""

from __future__ import annotations

import json
import sys

from benchmarks import learning, serving, training

ALL = {"learning": learning.main, "serving": serving.main, "training": training.main}

for name in sys.argv[1:] or ALL:
    print(json.dumps({"benchmark": name, **ALL[name]()}), flush=True)
