"""Shows conversations as a model sees them, token by token: `python explain_rows.py --help`.

The story is in tuning/explaining.py.
"""

import os
import sys

if __name__ == "__main__":
    # transformers then loads its tokenizers alone: less than half the start's time.
    sys.modules["torch"] = None  # type: ignore[assignment]
    os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"

    from tuning.explaining import main

    sys.exit(main(sys.argv[1:]))
