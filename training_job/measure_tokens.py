"""Counts the tokens of conversations with a model's own tokenizer: `python measure_tokens.py --help`.

The story is in tuning/measuring.py.
"""

import os
import sys

if __name__ == "__main__":
    # transformers then loads its tokenizers alone: less than half the start's time.
    sys.modules["torch"] = None  # type: ignore[assignment]
    os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "true"

    from tuning.measuring import main

    sys.exit(main(sys.argv[1:]))
