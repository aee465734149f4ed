"""`python -m benchmarks [learning|serving|training|data ...]`: one JSON object a benchmark on standard output.

`python -m benchmarks data --rows 50000 --rounds 1` makes the set of data smaller.
"""

from __future__ import annotations

import json
import sys

from benchmarks import datasets, learning, serving, training

ALL = {"learning": learning.main, "serving": serving.main, "training": training.main}

if sys.argv[1:2] == ["data"]:
    print(json.dumps({"benchmark": "data", **datasets.main(sys.argv[2:])}), flush=True)
else:
    for name in sys.argv[1:] or ALL:
        print(json.dumps({"benchmark": name, **ALL[name]()}), flush=True)
