"""`python -m backend.cli` is `phidesk`."""

from backend.cli.main import main

main()
