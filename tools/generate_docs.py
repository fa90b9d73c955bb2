"""
Write the documents and the default configuration that are made from the source, or with --check say which of them are out of date.

Each is made by one function of the package it documents, which gives the whole text.
"""

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

DOCUMENTS = {
    "docs/hooks.md": ("gateway.api.describe", "hooks_page"),
    "docs/events.md": ("gateway.api.describe_events", "events_page"),
    "plugins/gateway_snmp/GATEWAY-MIB.txt": ("gateway_snmp.mib", "text"),
    "gateway.toml": ("gateway.config.template", "commented_file"),
    "docs/settings.md": ("gateway.config.describe", "settings_page"),
}


def main() -> int:
    """Write or check each document; the result is the exit status."""
    checking = "--check" in sys.argv[1:]
    stale = []
    for name, (module, function) in DOCUMENTS.items():
        text = getattr(importlib.import_module(module), function)()
        path = ROOT / name
        if path.exists() and path.read_text() == text:
            continue
        if checking:
            stale.append(name)
        else:
            path.write_text(text)
            print(f"wrote {name}")
    if stale:
        print(f"out of date: {', '.join(stale)}; write again with: make docs")
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main())
