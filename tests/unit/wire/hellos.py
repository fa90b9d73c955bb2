"""Hellos for tests: made by OpenSSL, and made by hand from the outside in, so that each part can be wrong."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import chain, repeat

from OpenSSL import SSL

from gateway.api.answers import ClientHello
from gateway.testing.playbook import Playbook
from gateway.wire.client_hello import BadClientHello, ClientHelloReader, NotTls
from tests.unit.net.certificates import server_context

Extension = tuple[int, bytes]


def vector(content: bytes, width: int = 2) -> bytes:
    """Write the length, of so many bytes, and the content."""
    return len(content).to_bytes(width, "big") + content


def numbers(values: Iterable[int], width: int = 2) -> bytes:
    """Write a list of numbers of two bytes, behind a length of so many."""
    return vector(b"".join(struct.pack(">H", value) for value in values), width)


def server_name(name: bytes, kind: int = 0) -> Extension:
    """Write the extension that says who is wanted."""
    return 0, vector(bytes((kind,)) + vector(name))


def alpn(*protocols: bytes) -> Extension:
    """Write the extension that offers protocols."""
    return 16, vector(b"".join(vector(protocol, 1) for protocol in protocols))


def versions(*offered: int) -> Extension:
    """Write the extension that offers versions."""
    return 43, numbers(offered, 1)


def body(
    extensions: Iterable[Extension] | None = (),
    *,
    version: int = 0x0303,
    session: bytes = b"",
    ciphers: Iterable[int] = (0x1301, 0xC02B),
    compression: bytes = b"\0",
) -> bytes:
    """
    Write what is inside the handshake message.

    @param extensions: C{None} for a client so old that it has no place for them.
    """
    made = struct.pack(">H", version) + bytes(range(32)) + vector(session, 1)
    made += numbers(ciphers) + vector(compression, 1)
    if extensions is not None:
        made += vector(
            b"".join(struct.pack(">H", kind) + vector(value) for kind, value in extensions)
        )
    return made


def message(content: bytes, kind: int = 1) -> bytes:
    """Write a handshake message."""
    return bytes((kind,)) + vector(content, 3)


def record(content: bytes, kind: int = 22, version: int = 0x0301) -> bytes:
    """Write one record."""
    return struct.pack(">BH", kind, version) + vector(content)


def records(content: bytes, sizes: Iterable[int] = ()) -> bytes:
    """Write a message into records of these sizes, and what is left into the largest ones."""
    made, at = [], 0
    for size in chain(sizes, repeat(16384)):
        if at >= len(content):
            break
        made.append(record(content[at : at + size]))
        at += size
    return b"".join(made)


def hello(*extensions: Extension) -> bytes:
    """Write a ClientHello with these extensions in one record."""
    return record(message(body(extensions)))


def sslv2(version: int = 0x0303) -> bytes:
    """Write the ClientHello of SSLv2's form."""
    ciphers = b"\0\xc0\x2f\0\0\x2f"
    content = b"\x01" + struct.pack(">HHHH", version, len(ciphers), 0, 32) + ciphers + bytes(32)
    return struct.pack(">H", 0x8000 | len(content)) + content


def by_openssl(
    name: bytes | None = b"www.example.com",
    change: Callable[[SSL.Context], object] = lambda context: None,
    *,
    resumes: bool = False,
) -> bytes:
    """
    Let OpenSSL begin a handshake as a client; give all that it sends.

    @param change: sets the options of its context.
    @param resumes: it was there before and has a session to resume.
    """
    context = SSL.Context(SSL.TLS_METHOD)
    change(context)
    session = _session(context) if resumes else None
    client = _client(context, name)
    if session is not None:
        client.set_session(session)
    _step(client)
    return client.bio_read(70000)


def _client(context: SSL.Context, name: bytes | None) -> SSL.Connection:
    client = SSL.Connection(context, None)
    client.set_connect_state()
    if name is not None:
        client.set_tlsext_host_name(name)
    return client


def _session(context: SSL.Context) -> SSL.Session | None:
    client = _client(context, b"www.example.com")
    server = SSL.Connection(_server_context("before"), None)
    server.set_app_data(lambda connection, offered: offered[0])
    server.set_accept_state()
    for _ in range(3):
        for one, other in ((client, server), (server, client)):
            _step(one)
            with suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(70000))
    # What comes after the handshake: tickets of TLS 1.3.
    with suppress(SSL.WantReadError):
        client.recv(1)
    session = client.get_session()
    # A session that was not closed in order is not resumed.
    client.shutdown()
    return session


def _step(connection: SSL.Connection) -> None:
    with suppress(SSL.WantReadError):
        connection.do_handshake()


@dataclass(frozen=True, slots=True)
class Asked:
    """What OpenSSL's server made of some bytes: whether it answered with a ServerHello, and the name it was asked for."""

    answered: bool
    server_name: bytes | None
    protocols: tuple[bytes, ...]


def asked(data: bytes) -> Asked:
    """Feed bytes to a server of OpenSSL's that takes every name."""
    protocols: list[bytes] = []

    def choose(connection: SSL.Connection, offered: list[bytes]) -> bytes:
        protocols.extend(offered)
        return offered[0]

    server = SSL.Connection(_server_context("asked"), None)
    server.set_app_data(choose)
    server.set_accept_state()
    server.bio_write(data)
    with suppress(SSL.Error):
        server.do_handshake()
    answer = b""
    with suppress(SSL.WantReadError):
        answer = server.bio_read(70000)
    return Asked(answer[:1] == b"\x16", server.get_servername(), tuple(protocols))


@cache
def _server_context(which: str) -> SSL.Context:
    # One that knows a session of TLS 1.2 tells the name of that session, so there is one for each use.
    context = server_context("www.example.com")
    context.set_alpn_select_callback(
        lambda connection, offered: connection.get_app_data()(connection, offered)
    )
    return context


Outcome = ClientHello | tuple[str, str] | None


def outcome(data: bytes, cuts: Iterable[int] = ()) -> Outcome:
    """Read a stream cut at these places: the hello, the name and the text of the refusal, or C{None} if more is needed."""
    reader = ClientHelloReader()
    start = 0
    try:
        for stop in [*sorted(cuts), len(data)]:
            found = reader.receive(data[start:stop])
            start = stop
            if found is not None:
                return found
    except (NotTls, BadClientHello) as error:
        return type(error).__name__, str(error)
    return None


def disagreement(data: bytes, ours: Outcome, theirs: Asked) -> str:
    """
    Compare with what OpenSSL's server made of the same bytes; empty if all is well.

    That we refuse what it answers is our strictness. That we take for another protocol what it answers, or wait for more,
    or read another name or other protocols, would be a way around the rules.
    """
    if not theirs.answered:
        return ""
    if ours is None or (isinstance(ours, tuple) and ours[0] == "NotTls"):
        return f"OpenSSL answers {data!r}, we say {ours}"
    if isinstance(ours, ClientHello):
        name = (theirs.server_name or b"").decode("latin-1").lower()
        if ours.server_name != name:
            return f"{data!r}: OpenSSL was asked for {name!r}, we say {ours.server_name!r}"
        protocols = tuple(protocol.decode("latin-1") for protocol in theirs.protocols)
        if ours.alpn != protocols:
            return f"{data!r}: OpenSSL was offered {protocols}, we say {ours.alpn}"
    return ""


def changed(data: bytes, source: random.Random) -> bytes:
    """Change a byte or a few, where the structure is more often than not."""
    made = bytearray(data)
    for _ in range(source.randrange(1, 4)):
        made[source.randrange(len(made))] = source.choice(
            (0, 1, 2, 3, 22, 255, source.randrange(256))
        )
    return bytes(made)


NAMED = server_name(b"www.example.com")
NOTHING = ClientHello("", versions=(0x0303,), ciphers=(0x1301, 0xC02B))


def playbook() -> Playbook:
    """Begin a script about a fresh reader."""
    return Playbook(ClientHelloReader)


def padded(size: int) -> bytes:
    """Make a message of so many bytes."""
    empty = len(message(body([(0x0015, b"")])))
    return message(body([(0x0015, bytes(size - empty))]))
