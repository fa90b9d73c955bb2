"""
The commented configuration that C{gateway init} writes: every key with its meaning, commented out at its default.

A key that stays a comment follows the defaults of later versions. Loading the file as it is gives the defaults, and so
does loading it with every C{#key = value} line switched on.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import get_origin

from gateway.config.describe import Setting, description, settings, table_struct
from gateway.config.reading import fields_of
from gateway.config.schema import Config

WIDTH = 100

HEAD = """\
# The configuration of the gateway. Start it with: twistd -n gateway --config gateway.toml
#
# Every key is optional. Lines such as "#key = value" show the defaults: take the "#" away to change one.
# "gateway check --config gateway.toml" lists all faults of this file at once, "gateway ports" what it listens on.
# Files in conf.d/*.toml beside this one are read after it, then node.toml, for what is true of this machine only.
"""

SITE_EXAMPLE = """\
# [[site]]
# host = ["www.example.com", "*.shop.example.com"]
# listen = ["0.0.0.0:8000"]
# origins = ["http://10.0.1.10:8000", "http://10.0.1.11:8000"]
# health = { path = "/health" }
#
# Further keys of a site, with their defaults:
"""


def commented_file() -> str:
    """Write the whole file."""
    parts = [HEAD]
    for table in fields_of(Config):
        struct = table_struct(table)
        about = _comment(description(struct).replace("`", ""))
        if get_origin(table.hint) is tuple:
            further = (setting for setting in settings(struct) if setting.default)
            parts.append(about + SITE_EXAMPLE + "".join(_further(further)))
        else:
            parts.append(f"{about}[{table.key}]\n" + "\n".join(_keys(settings(struct))))
    return "\n".join(parts)


def _keys(found: Iterator[Setting]) -> Iterator[str]:
    for setting in found:
        example = f"# Example: {setting.key} = {setting.example}\n" if setting.example else ""
        yield f"{_comment(setting.text.replace('`', ''))}{example}#{setting.key} = {setting.default}\n"


def _further(found: Iterator[Setting]) -> Iterator[str]:
    """List the keys of a table that is an example itself: none of these lines is a setting to switch on."""
    for setting in found:
        yield (
            textwrap.fill(
                f"{setting.key} = {setting.default}  {setting.text.replace('`', '')}",
                WIDTH,
                initial_indent="# ",
                subsequent_indent="#     ",
                break_on_hyphens=False,
            )
            + "\n"
        )


def _comment(text: str) -> str:
    paragraphs = text.split("\n\n")
    filled = (
        textwrap.fill(
            " ".join(paragraph.split()),
            WIDTH,
            initial_indent="# ",
            subsequent_indent="# ",
            break_on_hyphens=False,
            break_long_words=False,
        )
        for paragraph in paragraphs
    )
    return "\n#\n".join(filled) + "\n"
