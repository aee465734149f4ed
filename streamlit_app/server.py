"""Starts the app: Streamlit's ASGI app behind the guard, on this computer only, with the settings of config.toml."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
import tomllib
import webbrowser
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import streamlit as st
import uvicorn
from starlette.middleware import Middleware
from streamlit import config as streamlit_config
from streamlit.file_util import get_static_dir

from backend.errors import Conflict
from backend.i18n import _
from backend.settings import Settings, quiet_vendors
from streamlit_app.guard import TOKEN_PARAMETER, Guard, cookie_secret, write_for_owner
from streamlit_app.redaction import redact_logs
from streamlit_app.session import warm_up, warm_up_services
from streamlit_app.ui.errors import on_script_error

APP_SCRIPT = Path(__file__).parent / "app.py"
CONFIG_FILE = Path(__file__).parent.parent / ".streamlit" / "config.toml"


def serve(settings: Settings, *, opens_browser: bool, script: Path = APP_SCRIPT) -> None:
    """Serve until Ctrl+C or SIGTERM. Raises Conflict when the port is busy."""
    quiet_vendors(settings)
    listener = bind(settings.host, settings.port)
    port = listener.getsockname()[1]
    token = secrets.token_urlsafe(24)
    hub_token = settings.hf_token.get_secret_value() if settings.hf_token else ""
    redact_logs([token, hub_token])
    configure_streamlit(port=port, max_upload_mb=settings.max_upload_mb)
    warm_up()
    link = f"http://127.0.0.1:{port}/?{TOKEN_PARAMETER}={token}"

    @asynccontextmanager
    async def announce(_app: st.App) -> AsyncIterator[dict[str, Any]]:
        sys.stdout.write(_("Phi Desk is ready: {link}").format(link=link) + "\n")
        sys.stdout.flush()
        if opens_browser:
            open_browser(settings.home, link)
        threading.Thread(target=warm_up_services, name="warm-up", daemon=True).start()
        yield {}

    app = st.App(
        script.resolve(),
        lifespan=announce,
        middleware=[
            Middleware(
                Guard,
                port=port,
                token=token,
                secret=cookie_secret(settings.home),
                index_html=(Path(get_static_dir()) / "index.html").read_text(encoding="utf-8"),
            )
        ],
        on_script_error=on_script_error,
    )
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            ws="websockets-sansio",
            ws_ping_interval=30,
            ws_ping_timeout=30,
            ws_max_size=50 * 1024 * 1024,
            access_log=False,  # it would hold the launch token
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )
    with listener:
        server.run(sockets=[listener])


def configure_streamlit(*, port: int, max_upload_mb: int) -> None:
    """Apply config.toml the way command line flags are applied: above the person's own files and variables."""
    options = dict(_flat(tomllib.loads(CONFIG_FILE.read_text(encoding="utf-8"))))
    options["server.port"] = port
    options["server.maxUploadSize"] = max_upload_mb
    streamlit_config.get_config_options(force_reparse=True, options_from_flags=options)


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in table.items():
        pairs += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return pairs


def bind(host: str, port: int) -> socket.socket:
    """A listening socket that no child process inherits. Raises Conflict with who holds the port, where known."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        other = _free_port(host, port + 1)
        raise Conflict(
            _("Port {port} is busy.").format(port=port),
            why=_port_holder(port) or str(error),
            how_to_fix=_("Start on another one: PORT={other} make run").format(other=other),
            code="port_busy",
        ) from error
    return listener


def _free_port(host: str, first: int) -> int:
    for port in range(first, min(first + 50, 65536)):
        with socket.socket() as probe:
            if probe.connect_ex((host, port)) != 0:
                return port
    return first


def _port_holder(port: int) -> str:
    try:
        pids = {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        }
        for pid in filter(None, pids):
            process = psutil.Process(pid)
            if "streamlit_app" in process.cmdline():
                return _(
                    "Phi Desk itself is running there (process {pid}). Use its tab, or stop it with Ctrl+C."
                ).format(pid=pid)
            return _("“{name}” (process {pid}) holds it.").format(name=process.name(), pid=pid)
    except psutil.Error:
        pass  # macOS tells only root who listens; the message does without the name
    return ""


def open_browser(home: Path, link: str) -> None:
    """Open the link through a file only its owner can read: a command line would show the token to everybody."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    page = home / "open.html"
    page.unlink(missing_ok=True)
    write_for_owner(page, f'<!doctype html><meta http-equiv="refresh" content="0; url={link}">'.encode())
    webbrowser.open(page.as_uri())
