"""A standing Azure to try the app by hand: prints what to put into the app's environment, and runs until Ctrl-C.

python -m tests.azure_emulator [--empty] [--port 8443]
In another shell: paste what it prints, then `make run`. Whoever signs in by device code is let in at once.
"""

from __future__ import annotations

import argparse
import shlex
import tempfile
import time
from pathlib import Path

from tests.azure_emulator.azurite import Azurite, Storage, why_missing
from tests.azure_emulator.emulator import start_emulator
from tests.azure_emulator.proxy import Authority


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--empty", action="store_true", help="only subscriptions: no group, no workspace")
    parser.add_argument("--port", type=int, default=0, help="of the proxy (default: a free one)")
    given = parser.parse_args()
    if reason := why_missing():
        raise SystemExit(reason)
    authority, azurite = Authority(), Azurite().start()
    with tempfile.TemporaryDirectory(prefix="phidesk-azure-", ignore_cleanup_errors=True) as folder:
        emulator = start_emulator(
            authority, port=given.port, empty=given.empty, folder=Path(folder), azurite=Storage(azurite)
        )
        for name, value in emulator.environment.items():
            print(f"export {name}={shlex.quote(value)}", flush=True)
        told = 0
        try:
            while True:
                for code in emulator.world.login.pending_device_codes():
                    emulator.world.login.approve_device(code)
                for complaint in emulator.complaints()[told:]:
                    print(f"# {complaint}", flush=True)
                told = len(emulator.complaints())
                time.sleep(0.5)
        except KeyboardInterrupt:
            pass
        finally:
            emulator.stop()
            azurite.stop()
            authority.close()


if __name__ == "__main__":
    main()
