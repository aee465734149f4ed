"""The emulator's own tests use its fixtures."""

from tests.azure_emulator.fixtures import *  # noqa: F403
