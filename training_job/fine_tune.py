"""Fine-tunes a chat model on example conversations: `python fine_tune.py --help`.

The story is in tuning/fine_tuning.py. Nothing is imported from outside this folder: it is the whole snapshot that
Azure Machine Learning gets.
"""

import sys

from tuning.fine_tuning import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
