"""`python -m tests.azure_emulator.flow_server FILE`: prompt flow's own server, as its container runs it in Azure.

It reads the flow and the connection as there: from AZUREML_MODEL_DIR, and from the workspace by a managed identity.
FILE gets the port.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    from promptflow.core._serving.app import create_app
    from werkzeug.serving import make_server

    app = create_app(extension_type="azureml", engine="flask")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    ready = Path(sys.argv[1])
    written = ready.with_suffix(".part")
    written.write_text(json.dumps({"port": server.server_port}))
    written.rename(ready)
    server.serve_forever()


if __name__ == "__main__":
    main()
