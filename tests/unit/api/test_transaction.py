"""Tests of the transaction and its parts as plugins see them."""

from __future__ import annotations

from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import DECRYPTED_ONLY, ClientError, Key, PluginError, UpstreamError
from gateway.api.messages import Request, Response
from gateway.api.transaction import Client, ClientTls, Timings, Transaction
from gateway.message.fields import Fields

SCORE: Key[int] = Key("reputation.score")


def request(
    method: bytes = b"GET",
    scheme: str = "http",
    host: str = "www.example.com",
    port: int = 80,
    target: bytes = b"/a%20b?c=d?e",
) -> Request:
    """Make a request."""
    return Request(method, scheme, host, port, target, 1, Fields(), 0)


def transaction() -> Transaction:
    """Make a transaction."""
    return Transaction(
        "1", request(), Client("192.0.2.1", 40000, mode="forward"), Timings(1.0, 2.0)
    )


class RequestTests(SynchronousTestCase):
    """The target of a request."""

    def test_parts(self) -> None:
        """Path and query are as sent; the first question mark divides them."""
        asked = request()
        self.assertEqual((asked.method, asked.path, asked.query), ("GET", "/a%20b", "c=d?e"))

    def test_authority(self) -> None:
        """The port is named unless it is the scheme's own, and an IPv6 address stands in brackets."""
        for scheme, host, port, expected in (
            ("http", "a.example", 80, "a.example"),
            ("https", "a.example", 443, "a.example"),
            ("http", "a.example", 443, "a.example:443"),
            ("http", "2001:db8::1", 8080, "[2001:db8::1]:8080"),
        ):
            self.assertEqual(request(scheme=scheme, host=host, port=port).authority, expected)

    def test_url(self) -> None:
        """The target URI is put together; CONNECT has only host and port, OPTIONS * no path."""
        self.assertEqual(request().url, "http://www.example.com/a%20b?c=d?e")
        self.assertEqual(request(b"CONNECT", "", port=443, target=b"").url, "www.example.com:443")
        self.assertEqual(request(b"OPTIONS", target=b"*").url, "http://www.example.com")


class TransactionTests(SynchronousTestCase):
    """What is kept with a transaction."""

    def test_own_store(self) -> None:
        """Each has a store of its own, the same one whenever it is asked for, and by keys, not by their names."""
        one, other = transaction(), transaction()
        store = one.store
        score = store.get(SCORE)
        self.assertIsNone(score)
        self.assertEqual(store.get(SCORE, 3), 3)
        with self.assertRaises(KeyError):
            store[SCORE]
        store[SCORE] = 7
        self.assertIs(one.store, store)
        self.assertEqual(
            (one.store[SCORE], SCORE in one.store, SCORE in other.store), (7, True, False)
        )
        self.assertNotIn(Key("reputation.score"), store)

    def test_read_quickly(self) -> None:
        """No attribute is made when it is first asked for: the interpreter would read every other one the slow way."""
        for kind in (Transaction, Client):
            self.assertFalse(hasattr(kind, "__getattr__"), kind)

    def test_decrypted_only(self) -> None:
        """It holds where it was set to that, and nothing like it will do."""
        txn = transaction()
        self.assertFalse(txn.decrypted_only)
        for value, expected in ((True, True), (1, False), (False, False)):
            txn.store[DECRYPTED_ONLY] = cast(bool, value)
            self.assertIs(txn.decrypted_only, expected)

    def test_no_such_attribute(self) -> None:
        """What a transaction has not is not made by asking for it."""
        with self.assertRaises(AttributeError):
            getattr(transaction(), "stored")  # noqa: B009

    def test_notes(self) -> None:
        """Looking whether there are notes makes none; making one is seen."""
        txn = transaction()
        self.assertFalse(txn.has_notes)
        txn.notes["reputation"] = "71"
        self.assertTrue(txn.has_notes)
        self.assertEqual(txn.notes, {"reputation": "71"})

    def test_store(self) -> None:
        """Typed keys keep a plugin's state, per transaction and per connection."""
        txn = transaction()
        for store in (txn.store, txn.client.store):
            self.assertNotIn(SCORE, store)
            self.assertEqual(store.get(SCORE, 7), 7)
            self.assertRaises(KeyError, store.__getitem__, SCORE)
            store[SCORE] = 71
            self.assertEqual((store[SCORE], SCORE in store), (71, True))
        self.assertEqual(repr(SCORE), "Key('reputation.score')")

    def test_nothing_is_limited_at_first(self) -> None:
        """Without a limit from the configuration an upload has none."""
        self.assertEqual(transaction().upload_limit, 0)

    def test_response_has_fields(self) -> None:
        """Each response has fields of its own."""
        one, other = Response(200), Response(200)
        one.fields.add("A", "1")
        self.assertEqual(len(other.fields), 0)

    def test_peer(self) -> None:
        """Without a PROXY protocol header the peer is the client itself."""
        self.assertEqual(Client("192.0.2.1", 1, mode="forward").peer, "192.0.2.1")
        self.assertEqual(Client("192.0.2.1", 1, mode="forward", peer="10.0.0.5").peer, "10.0.0.5")


class ClientTlsTests(SynchronousTestCase):
    """What is known of a connection's TLS."""

    def test_nothing_at_first(self) -> None:
        """A client has none until somebody has looked, and what was not agreed on is empty."""
        self.assertIsNone(Client("192.0.2.1", 1, mode="forward").tls)
        made = ClientTls(decision="tunnel")
        known = {name: getattr(made, name) for name in ClientTls.__slots__}
        self.assertEqual(known.pop("decision"), "tunnel")
        self.assertIs(known.pop("resumed"), False)
        self.assertEqual(set(known.values()), {""})

    def test_it_does_not_change(self) -> None:
        """It is shared by all requests of a connection, so no plugin changes it."""
        made: Any = ClientTls()
        self.assertRaises(AttributeError, setattr, made, "server_name", "www.example.com")


class ErrorTests(SynchronousTestCase):
    """Errors say what the client is told."""

    def test_defaults(self) -> None:
        """Whose fault it is decides the status and the page, unless said otherwise."""
        self.assertEqual((ClientError().status, ClientError().page), (400, "bad_request"))
        self.assertEqual((UpstreamError().status, UpstreamError().page), (502, "upstream_error"))
        said = ClientError("too long", status=414, page="uri_too_long")
        self.assertEqual(
            (said.status, said.page, said.detail, str(said)),
            (414, "uri_too_long", "too long", "too long"),
        )
        self.assertEqual(ClientError.status, 400)

    def test_plugin_error(self) -> None:
        """A plugin's error names plugin and hook, but not what went wrong inside: that is for the log."""
        error = PluginError("guard", "page", KeyError("secret"))
        self.assertEqual((error.status, error.detail), (503, "plugin guard failed in page"))
