"""
What one line of the C{json} access log holds, for programs that read it and for C{docs/access-log.md}.

The data path does not use this: L{gateway.record.formats} makes the lines. A test reads what that makes with these
types, which refuse an unknown key and miss none.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct
from msgspec.json import schema_components

Count: TypeAlias = Annotated[int, Meta(ge=0)]
Milliseconds: TypeAlias = Annotated[float, Meta(ge=0)]


class Times(Struct, forbid_unknown_fields=True, frozen=True):
    """Milliseconds from the complete request head to a moment; `null` if it never came."""

    resolve: Annotated[
        Milliseconds | None,
        Meta(description="The upstream's name was resolved; `null` if nothing had to be."),
    ]
    connect: Annotated[
        Milliseconds | None,
        Meta(description="The upstream connection was made; `null` if a kept one was used."),
    ]
    first_byte: Annotated[
        Milliseconds | None, Meta(description="The head of the final response was complete.")
    ]
    total: Annotated[Milliseconds, Meta(description="The transaction ended.")]


class Tls(Struct, forbid_unknown_fields=True, frozen=True):
    """The TLS of the client's connection; `null` if there is none, or none that was seen."""

    server_name: Annotated[
        str | None, Meta(description="The host that the client asked for (SNI): its own claim.")
    ]
    version: Annotated[
        str | None, Meta(description="As agreed with the client, such as `TLSv1.3`.")
    ]
    cipher: Annotated[str | None, Meta(description="As agreed with the client, by OpenSSL's name.")]
    alpn: Annotated[
        str | None, Meta(description="The protocol agreed with the client, such as `http/1.1`.")
    ]
    resumed: Annotated[
        bool, Meta(description="An earlier session of the client was taken up again.")
    ]
    decision: Annotated[
        str | None,
        Meta(description="What became of it: `terminate`, `intercept`, `tunnel` or `block`."),
    ]
    why: Annotated[str | None, Meta(description="What led to that, as a token for programs.")]
    upstream_version: Annotated[
        str | None,
        Meta(
            description="As agreed with the server: by us where TLS is intercepted, by the client where it passes unread."
        ),
    ]
    upstream_cipher: Annotated[str | None, Meta(description="As agreed with the server, likewise.")]


class Line(Struct, forbid_unknown_fields=True, frozen=True):
    """One transaction or tunnel."""

    time: Annotated[
        str,
        Meta(
            description="When the request head was complete, RFC 3339 in UTC.",
            pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        ),
    ]
    id: Annotated[
        str, Meta(description="The transaction's id, as in `X-Request-Id` and on error pages.")
    ]
    client: Annotated[str | None, Meta(description="The client's IP address.")]
    client_port: Annotated[int, Meta(description="The client's TCP port.", ge=0, le=65535)]
    user: Annotated[
        str | None, Meta(description="Who asked, if known; a keyed hash if `user` is masked.")
    ]
    mode: Annotated[str | None, Meta(description="`forward`, `reverse`, `transparent` or `icap`.")]
    site: Annotated[str | None, Meta(description="The site of a reverse-proxied request.")]
    method: Annotated[
        str | None, Meta(description="The method; `NONE` or `null` if none could be read.")
    ]
    url: Annotated[
        str,
        Meta(
            description="The target URI; `host:port` for CONNECT; "
            "`error:invalid-request` if none could be read."
        ),
    ]
    status: Annotated[int, Meta(description="The status sent; 0 if none was.", ge=0, le=999)]
    bytes_in: Annotated[Count, Meta(description="Content and tunnel bytes received.")]
    bytes_out: Annotated[Count, Meta(description="Bytes sent to the client, heads included.")]
    duration: Annotated[Milliseconds, Meta(description="The same as `timings.total`.")]
    timings: Times
    upstream: Annotated[str | None, Meta(description="Where it went, `address:port`.")]
    route: Annotated[
        str | None,
        Meta(description="`direct`, `parent`, `origin`, `store` (from the cache) or `none`."),
    ]
    outcome: Annotated[
        Literal["delivered", "refused", "failed", "aborted", "tunnelled", "intercepted", "unknown"],
        Meta(description="How it ended."),
    ]
    reason: Annotated[str | None, Meta(description="Why, as a token for programs.")]
    detail: Annotated[str | None, Meta(description="Why, as a sentence for people.")]
    media_type: Annotated[
        str | None, Meta(description="The response's media type, in lower case, no parameters.")
    ]
    referer: Annotated[
        str | None, Meta(description="The request's Referer; user and password are left out.")
    ]
    user_agent: Annotated[str | None, Meta(description="The request's User-Agent.")]
    tls: Tls | None
    notes: Annotated[dict[str, str], Meta(description="What plugins noted, by name.")]


def json_schema() -> str:
    """Give the JSON Schema (2020-12) of a line, as the document prints it."""
    (reference,), components = schema_components((Line,), ref_template="#/$defs/{name}")
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": reference["$ref"],
        "$defs": components,
    }
    return json.dumps(whole, indent=1)
