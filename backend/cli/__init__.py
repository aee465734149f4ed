"""The command line `phidesk`: the app's steps over the same services. Starts fast: services load inside commands."""

from backend.cli.main import main

__all__ = ["main"]
