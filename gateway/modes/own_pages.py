"""
The gateway's own site, C{http://gateway.local/}, which clients reach through the forward proxy.

It offers the certificate of the CA (L{gateway.pipeline.ca_page}) and nothing else. The name is never looked up and
nothing is ever sent to it; that a request is for it (its scheme C{http}, its host L{OWN_HOST}) and that its client may use
the proxy is for the caller to know. There is none over TLS: a certificate for this name would have to be
trusted first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.api.messages import Response
from gateway.api.transaction import Transaction
from gateway.pipeline.ca_formats import PublishedCa
from gateway.pipeline.ca_page import ca_response
from gateway.pipeline.pages import page

#: The host of the site; a name of the local link (RFC 6762), so it is no site's of the web.
OWN_HOST: Final = "gateway.local"

_METHODS: Final = ("GET", "HEAD")


def own_response(
    method: str, path: str, published: Sequence[PublishedCa], txn: Transaction | None = None
) -> Response:
    """
    Answer a request.

    @param path: with or without a query.
    @param published: the gateway's CAs, from L{gateway.net.authority.Authority.published}; empty while there is none.
    @param txn: the transaction, for pages that name its id and are JSON if it prefers that.
    """
    if method not in _METHODS:
        response = _page("method_not_allowed", 405, txn)
        response.fields.set("Allow", ", ".join(_METHODS))
        return response
    return ca_response(path, published) or _page("no_site", 404, txn)


def _page(name: str, status: int, txn: Transaction | None) -> Response:
    accept = "" if txn is None else txn.request.fields.combined("accept") or ""
    return page(name, status, txn, "", accept)
