"""Prompt flow in Azure: a flow's container really runs prompt flow's server, and signs in as a managed identity."""

from __future__ import annotations

import json
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from backend.settings import QUIET_ENVIRONMENT
from tests.azure_emulator.model_servers import ModelServer
from tests.azure_emulator.world import World

IMAGE = "mcr.microsoft.com/azureml/promptflow/"


def is_flow(environment: dict[str, object]) -> bool:
    facts = environment.get("properties")
    return isinstance(facts, dict) and str(facts.get("image") or "").startswith(IMAGE)


def start_flow(world: World, folder: Path, model: Path, variables: dict[str, str]) -> ModelServer:
    """`model` is the folder that holds the flow's folder, as Azure mounts it."""
    server = ModelServer(folder, "flow")
    server.here.mkdir(parents=True)
    address, secret = identity_service(world)
    environment = {
        **variables,
        **world.environment,
        **QUIET_ENVIRONMENT,
        "AZUREML_MODEL_DIR": str(model),
        "MSI_ENDPOINT": address,
        "MSI_SECRET": secret,
        "PF_HOME_DIRECTORY": str(folder / "promptflow"),
    }
    # The container signs in as its endpoint's identity, not as whoever runs the test.
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "tests.azure_emulator.flow_server", str(server.here / "ready.json")]
    server.start(command, environment)
    return server


def identity_service(world: World) -> tuple[str, str]:
    """Address and secret of the service beside every container that hands out its identity's tokens."""
    if "identity_service" not in world.extra:
        secret = secrets.token_urlsafe(16)

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                """Nothing on the terminal."""

            def do_GET(self) -> None:
                query = dict(parse_qsl(urlsplit(self.path).query))
                is_known = self.headers.get("secret") == secret
                token = world.login.issue(query.get("resource", ""), app=True) if is_known else ""
                body = {"access_token": token, "expires_on": str(int(world.now()) + 3600), "token_type": "Bearer"}
                encoded = json.dumps(body | {"resource": query.get("resource", "")}).encode()
                self.send_response(200 if is_known else 401)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

        service = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=service.serve_forever, args=(0.05,), daemon=True, name="managed-identity").start()
        world.closing.append(service.server_close)
        world.closing.append(service.shutdown)
        world.extra["identity_service"] = (f"http://127.0.0.1:{service.server_port}/msi/token", secret)
    found: tuple[str, str] = world.extra["identity_service"]
    return found
