"""Collects every `_("...")` of the interface into backend/locale/phidesk.pot; `--check` fails when that is stale."""

import io
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "backend" / "locale" / "phidesk.pot"


def template() -> bytes:
    catalog = Catalog(project="Phi Desk", charset="utf-8", header_comment="# The interface texts of Phi Desk.")
    found = []
    for folder in ("backend", "streamlit_app"):
        for name, _line, message, comments, context in extract_from_dir(ROOT / folder, [("**.py", "python")]):
            found.append((f"{folder}/{name}", message, comments, context))
    for name, message, comments, context in sorted(found, key=lambda entry: (entry[0], str(entry[1]))):
        catalog.add(message, None, [(name, 0)], auto_comments=comments, context=context)
    buffer = io.BytesIO()
    write_po(buffer, catalog, omit_header=True, include_lineno=False, width=120)
    return buffer.getvalue()


def main() -> None:
    fresh = template()
    if "--check" in sys.argv:
        if not TEMPLATE.exists() or TEMPLATE.read_bytes() != fresh:
            sys.exit("backend/locale/phidesk.pot is older than the interface texts. Run: make messages")
        return
    TEMPLATE.parent.mkdir(parents=True, exist_ok=True)
    TEMPLATE.write_bytes(fresh)
    print(f"{fresh.count(b'msgid')} texts in {TEMPLATE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
