"""TLS handshakes in memory between a server that a test makes and the gateway's client side."""

from __future__ import annotations

from collections.abc import Iterable

from OpenSSL import SSL, crypto

from gateway.net.tls_faults import TlsFault
from gateway.net.trust import CertificateException, Trust
from gateway.net.verify import ClientSide, TrustStore
from tests.unit.net.certificates import Made


def server(leaf: Made, *above: Made, staple: bytes = b"", version: int = 0) -> SSL.Context:
    """Make the context of a server that shows these certificates, whatever they are."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    # Weak ones too: it is the client who has to refuse them.
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    if version:
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
    context.use_certificate(crypto.X509.from_cryptography(leaf.certificate))
    context.use_privatekey(crypto.PKey.from_cryptography_key(leaf.key))
    for one in above:
        context.add_extra_chain_cert(crypto.X509.from_cryptography(one.certificate))
    context.set_session_id(b"tests")
    context.set_ocsp_server_callback(lambda connection, data: staple)
    return context


def client(store: TrustStore) -> SSL.Context:
    """Make the context of clients with this trust; its ciphers leave the judging of strength to the store."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    store.install(context)
    return context


def store(
    *roots: Made,
    revocations: Iterable[object] = (),
    exceptions: Iterable[CertificateException] = (),
) -> TrustStore:
    """Make a store that trusts these."""
    return TrustStore(
        Trust(tuple(one.certificate for one in roots), tuple(revocations)),  # type: ignore[arg-type]
        exceptions,
    )


class Handshake:
    """
    One handshake, done.

    @ivar fault: what the client found.
    @ivar alert: what the server was told, if the client refused it.
    """

    def __init__(
        self,
        server: SSL.Context,
        client: SSL.Context,
        side: ClientSide,
        *,
        session: SSL.Session | None = None,
    ) -> None:
        self.side = side
        self.client = SSL.Connection(client, None)
        self.server = SSL.Connection(server, None)
        side.attach(self.client)
        if session is not None:
            self.client.set_session(session)
        self.client.set_connect_state()
        self.server.set_accept_state()
        self.alert = ""
        self.fault: TlsFault | None = None
        self._run()

    def _run(self) -> None:
        done = False
        for _ in range(10):
            if not done:
                try:
                    self.client.do_handshake()
                    done = True
                except SSL.WantReadError:
                    pass
                except SSL.Error as error:
                    self.fault = self.side.failed(self.client, reason(error))
            pass_on(self.client, self.server)
            try:
                self.server.do_handshake()
            except SSL.WantReadError:
                pass
            except SSL.Error as error:
                self.alert = reason(error)
            pass_on(self.server, self.client)
            if self.fault is not None:
                return
        self.fault = self.side.finish(self.client)

    def talk(self) -> None:
        """Send something from the server to the client, so that tickets are read as well."""
        self.server.send(b"hello")
        pass_on(self.server, self.client)
        self.client.recv(100)


def pass_on(source: SSL.Connection, target: SSL.Connection) -> None:
    """Carry bytes."""
    try:
        while True:
            target.bio_write(source.bio_read(65536))
    except SSL.Error:
        return


def reason(error: SSL.Error) -> str:
    """Give OpenSSL's reason."""
    return str(error.args[0][-1][-1]) if error.args and error.args[0] else ""
