"""`python -m streamlit_app [--port N] [--no-open]`: starts Phi Desk and prints the link that opens it."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from pydantic import ValidationError

from backend.errors import PhiDeskError
from backend.i18n import _
from backend.settings import Settings


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m streamlit_app", description=_("Start Phi Desk."))
    parser.add_argument("--port", type=int, help=_("port on 127.0.0.1 (default: PHIDESK_PORT or 8501; 0: any free)"))
    parser.add_argument("--no-open", action="store_true", help=_("print the link, open no browser"))
    arguments = parser.parse_args()
    try:
        settings = Settings()
        if arguments.port is not None:
            settings = settings.model_copy(update={"port": arguments.port})
        from streamlit_app.server import serve  # after the arguments: --help answers without Streamlit

        serve(settings, opens_browser=not arguments.no_open)
    except PhiDeskError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        sys.stderr.write(_("Setting {name}: {why}").format(name=f"PHIDESK_{name.upper()}", why=first["msg"]) + "\n")
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    status = main()
    # Work at a cloud goes on there, and is taken up by the next start: nobody waits for it here.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)
