"""A Hugging Face Hub and its dataset viewer on this machine, for unpatched clients. See `server.HubEmulator`."""

from tests.hub_emulator.repos import Repo
from tests.hub_emulator.server import HubEmulator
from tests.hub_emulator.wire import Fault

__all__ = ["Fault", "HubEmulator", "Repo"]
