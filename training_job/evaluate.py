"""Compares a base and a tuned model on held-out conversations: `python evaluate.py --help`.

The story is in tuning/evaluating.py.
"""

import sys

from tuning.evaluating import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
