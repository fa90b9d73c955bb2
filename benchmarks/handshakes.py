"""
What TLS with clients costs: contexts, and handshakes new and resumed for each policy; no socket is opened.

    python -m benchmarks.handshakes

Both ends run here, so each handshake is measured apart for the server by its own calls. CPU time, the median of the
rounds.
"""

from __future__ import annotations

import datetime
import statistics
import sys
import time
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from gateway.config.certificate_files import Pair, names_of
from gateway.net.certificates import CertificateAndKey, Certificates
from gateway.net.tls_contexts import (
    ServerSide,
    TlsPolicy,
    accepting,
    client_context,
    server_context,
)
from gateway.net.tls_sessions import UpstreamSessions

NAME = "www.example.com"
ROUNDS = 5
HANDSHAKES = 200
CONTEXTS = 200


class _Anybody:
    """Judges nothing: it is the server that is measured."""

    def install(self, context: SSL.Context) -> None:
        """Leave verification off."""


def _pair() -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(1))
        .not_valid_after(now + datetime.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair("", leaf, (), key, names_of(leaf))


def _handshake(client: SSL.Connection, accept: Callable[[], SSL.Connection]) -> float:
    """Shake hands; give the seconds of CPU that the server took."""
    clock, spent = time.process_time, 0.0
    begun = clock()
    server = accept()
    spent += clock() - begun
    for _ in range(4):
        try:
            client.do_handshake()
            client.recv(1)
        except SSL.WantReadError:
            pass
        try:
            data = client.bio_read(1 << 20)
        except SSL.WantReadError:
            data = b""
        begun = clock()
        if data:
            server.bio_write(data)
        try:
            server.do_handshake()
            server.recv(1)
        except SSL.WantReadError:
            pass
        try:
            answer = server.bio_read(1 << 20)
        except SSL.WantReadError:
            answer = b""
        spent += clock() - begun
        if not data and not answer:
            break
        if answer:
            client.bio_write(answer)
    UpstreamSessions.over(server)
    return spent


def _server_costs(policy: TlsPolicy, certificate: CertificateAndKey, *, resumes: bool) -> float:
    """Give the microseconds of the server for one handshake."""
    outer, inner = server_context(policy), client_context(policy, _Anybody())
    sessions = UpstreamSessions(lambda: 0.0)
    choice = Certificates([certificate])

    def accept() -> SSL.Connection:
        return accepting(outer, ServerSide(choice.for_name))

    def once() -> float:
        client = SSL.Connection(inner, None)
        client.set_tlsext_host_name(NAME.encode())
        client.set_connect_state()
        if resumes:
            sessions.offer(client, NAME)
        spent = _handshake(client, accept)
        if resumes:
            sessions.keep(client, NAME, 0.0)
        UpstreamSessions.over(client)
        return spent

    once()
    rounds = [sum(once() for _ in range(HANDSHAKES)) / HANDSHAKES for _ in range(ROUNDS)]
    return statistics.median(rounds) * 1e6


def _context_cost(make: Callable[[], object]) -> tuple[float, float]:
    """Give microseconds and KiB of one context."""
    before = _resident()
    begun = time.process_time()
    kept = [make() for _ in range(CONTEXTS)]
    spent = (time.process_time() - begun) / CONTEXTS * 1e6
    size = (_resident() - before) / CONTEXTS / 1024
    del kept
    return spent, size


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def main() -> None:
    """Measure and print."""
    write = sys.stdout.write
    pair = _pair()
    policies = {
        "modern, TLS 1.3": TlsPolicy(),
        "modern, TLS 1.2": TlsPolicy("1.2", "1.2"),
        "compatible, TLS 1.3": TlsPolicy(ciphers="compatible"),
        "compatible, TLS 1.2": TlsPolicy("1.2", "1.2", "compatible"),
    }
    # Only the first ones tell the size: the others find the room that those have left.
    _, size = _context_cost(lambda: server_context(TlsPolicy()))
    write(f"one context: {size:.1f} KiB         us\n")
    for name, policy in policies.items():
        spent, _ = _context_cost(lambda policy=policy: server_context(policy))  # type: ignore[misc]
        write(f"  server, {name:20} {spent:6.0f}\n")
    write("server's part of a handshake   new  resumed, us\n")
    for name, policy in policies.items():
        certificate = CertificateAndKey.from_pair(pair)
        new = _server_costs(policy, certificate, resumes=False)
        resumed = _server_costs(policy, certificate, resumes=True)
        write(f"  {name:27} {new:6.0f} {resumed:6.0f}\n")
    minted = CertificateAndKey.of(pair.leaf, (), pair.key)
    new = _server_costs(TlsPolicy(), minted, resumes=False)
    write(f"  set on the connection       {new:6.0f}\n")


if __name__ == "__main__":
    main()
