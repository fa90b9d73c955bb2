"""
The sticky cookie: a client stays with the origin of its first answer.

The cookie names the origin by a keyed digest of its address, so that nothing of the network behind is told, nobody can
work it out by trying addresses, and every gateway with the same key understands it. It grants nothing: a forged one
only chooses another origin of the same site. The origin never sees it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

ID_LENGTH = 16


def origin_id(address: str, key: bytes) -> str:
    """
    Give the name by which a cookie speaks of an origin.

    @param address: the origin as in the configuration, scheme and port included.
    @param key: a secret of at most 64 bytes; with another one all clients are distributed anew.
    """
    return blake2b(address.encode(), key=key, digest_size=ID_LENGTH // 2).hexdigest()


class StickyCookie:
    """The cookie of one site."""

    __slots__ = ("_ids", "_lines", "_mark", "_pair", "name")

    def __init__(self, name: str, addresses: Iterable[str], key: bytes, *, path: str) -> None:
        """
        Prepare the lines.

        @param name: a token (RFC 6265 section 4.1.1).
        @param addresses: the site's origins as in the configuration.
        @param path: the site's path; one that a cookie can't name becomes C{/}.
        @raise ValueError: the name is not a token.
        """
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is not a token and can't be the name of a cookie")
        self.name = name
        self._mark = name.encode("ascii") + b"="
        # A pair begins the value or follows a semicolon; clients write "; " but need not.
        self._pair = re.compile(
            rb"(?:^|;)[ \t]*" + re.escape(self._mark) + rb'"?([^;"\t ]*)"?[ \t]*(?=;|$)'
        )
        self._ids = {address: origin_id(address, key) for address in addresses}
        scope = path if re.fullmatch(r"/[!-:<-~]*", path) else "/"
        self._lines = {
            address: f"Set-Cookie: {name}={made}; Path={scope}; HttpOnly; SameSite=Lax".encode(
                "ascii"
            )
            for address, made in self._ids.items()
        }

    @property
    def ids(self) -> Mapping[str, str]:
        """The names of the origins by their addresses."""
        return self._ids

    def read(self, values: Sequence[bytes]) -> str | None:
        """
        Give the id that a request carries.

        Sites with nested paths may share the cookie's name; then a request has several of it, and the first one
        that is ours is taken.

        @param values: values of the Cookie fields.
        """
        for value in values:
            if self._mark in value:
                for found in self._pair.findall(value):
                    text: str = found.decode("latin-1")
                    if text in self._ids.values():
                        return text
        return None

    def strip(self, line: bytes) -> bytes | None:
        """
        Give a Cookie line without ours, for the origin.

        @param line: the whole field line.
        @return: the very object C{line} if ours isn't in it; C{None} if nothing else is.
        """
        if self._mark not in line:
            return line
        name, _, value = line.partition(b":")
        left = self._pair.sub(b"", value.strip(b" \t")).lstrip(b"; \t")
        return name + b": " + left if left else None

    def set_line(self, address: str, *, secure: bool) -> bytes:
        """
        Give the Set-Cookie line that binds a client to an origin.

        @param secure: the client came by https, and shall never send it otherwise.
        @raise KeyError: no origin of this site.
        """
        line = self._lines[address]
        return line + b"; Secure" if secure else line


_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
