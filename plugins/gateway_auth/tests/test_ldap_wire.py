"""One connection to a directory server, whose answers are written before they are asked for."""

from __future__ import annotations

import socket
import ssl
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from gateway_auth.bind_results import PASSWORD_POLICY, Answer
from gateway_auth.ldap_ber import element
from gateway_auth.ldap_filters import encode_filter
from gateway_auth.ldap_messages import (
    BIND_ANSWER,
    EXTENDED_ANSWER,
    SEARCH_DONE,
    Entry,
    bind_request,
    message,
    search_request,
    start_tls_request,
    unbind_request,
)
from gateway_auth.ldap_socket import MAX_ANSWER, LdapWire
from gateway_auth.ldap_wire import (
    Deadline,
    NoAnswer,
    Question,
    SearchRefused,
    ServerFailed,
    TooMany,
)
from gateway_auth.tests.test_ldap_messages import POLICY, control, entry, octets, result, widened

SECRET = "a very secret password"


class WireCase(SynchronousTestCase):
    """
    Has a connection.

    @ivar far: the server's end.
    """

    def setUp(self) -> None:
        """Make both ends."""
        near, self.far = socket.socketpair()
        self.far.setblocking(False)
        self.wire = LdapWire(near, Deadline(5.0))
        self.addCleanup(self.far.close)
        self.addCleanup(self.wire.close)

    def said(self, *messages: bytes) -> None:
        """Let the server say this."""
        self.far.sendall(b"".join(messages))

    def asked(self) -> bytes:
        """Give what it was asked."""
        try:
            return self.far.recv(1 << 20)
        except BlockingIOError:
            return b""

    def search(self, limit: int = 2) -> list[Entry]:
        """Search."""
        return self.wire.search("dc=x", "(a=b)", ("uid",), limit=limit)

    def failed(self) -> str:
        """Give why a search fails."""
        with self.assertRaises(ServerFailed) as caught:
            self.search()
        return str(caught.exception)


class BindTests(WireCase):
    """Authenticating it."""

    def test_bind(self) -> None:
        """The server's answer is given with its controls, and each request has the next number."""
        self.said(result(1, BIND_ANSWER, 0))
        self.assertEqual(self.wire.bind("cn=x", SECRET), Answer(0))
        asked = bind_request("cn=x", SECRET.encode(), (PASSWORD_POLICY,))
        self.assertEqual(self.asked(), message(1, asked))
        after = control(PASSWORD_POLICY, octets(POLICY))
        self.said(widened(result(2, BIND_ANSWER, 49, "data 52e", after=after)))
        self.assertEqual(
            self.wire.bind("cn=x", SECRET), Answer(49, "data 52e", {PASSWORD_POLICY: POLICY})
        )
        self.assertEqual(self.asked(), message(2, asked))

    def test_empty(self) -> None:
        """Nothing is sent without a name or a password: that would be an anonymous bind (RFC 4513 section 5.1.2)."""
        for name, password in (("", "x"), ("cn=x", ""), ("", "")):
            with self.assertRaises(ValueError):
                self.wire.bind(name, password)
        self.assertEqual(self.asked(), b"")

    def test_answers_to_nothing(self) -> None:
        """Only the answer to this very bind lets anybody in: not one with another number, not one of another kind."""
        for answer in (
            result(2, BIND_ANSWER, 0),
            result(0, BIND_ANSWER, 0),
            result(1, SEARCH_DONE, 0),
            result(1, EXTENDED_ANSWER, 0),
            entry(1, "cn=x", {}),
            b"HTTP/1.1 200 OK\r\n\r\n",
            result(1, BIND_ANSWER, 0).replace(b"\x30", b"\x31", 1),
        ):
            self.setUp()
            self.said(answer)
            with self.assertRaises(ServerFailed) as caught:
                self.wire.bind("cn=x", SECRET)
            self.assertNotIsInstance(caught.exception, NoAnswer)

    def test_answer_from_before(self) -> None:
        """What came too late for the bind before is no answer to this one."""
        self.said(result(1, BIND_ANSWER, 49), result(1, BIND_ANSWER, 0))
        self.assertEqual(self.wire.bind("cn=x", "wrong").code, 49)
        with self.assertRaises(ServerFailed):
            self.wire.bind("cn=y", "wrong")

    def test_nothing_secret_is_shown(self) -> None:
        """No error has a password in it, whatever goes wrong."""
        texts = []
        for answer in (b"", b"\x30\x05" + SECRET.encode(), result(1, BIND_ANSWER, 0)):
            self.setUp()
            self.said(answer)
            self.far.shutdown(socket.SHUT_RDWR)
            for password in (SECRET, SECRET + "\ud800"):
                try:
                    self.wire.bind("cn=x", password)
                except Exception as error:
                    texts.append(
                        f"{error} {error!r} {error.__cause__} {error.__context__ if not error.__suppress_context__ else ''}"
                    )
        self.assertGreater(len(texts), 3)
        for part in (SECRET, "udc", "ud800", "secret"):
            self.assertNotIn(part, "".join(texts) + repr(self.wire))


class SearchTests(WireCase):
    """Finding entries."""

    def test_search(self) -> None:
        """All entries are given, references to other servers are not followed, however it is cut in pieces."""
        reference = message(1, element(0x73, octets("ldap://other.example.com/")))
        answer = (
            *(entry(1, "cn=a", {"uid": [b"1"]}), reference),
            *(entry(1, "cn=b", {}), result(1, SEARCH_DONE, 0)),
        )
        found = [Entry("cn=a", {"uid": (b"1",)}), Entry("cn=b")]
        self.said(*answer)
        self.assertEqual(self.search(), found)
        self.assertEqual(
            self.asked(),
            message(1, search_request("dc=x", "subtree", encode_filter("(a=b)"), ("uid",), 2)),
        )
        for size in (1, 2, 7, 100):
            pieces = Pieces(b"".join(map(widened, answer)), size)
            wire = LdapWire(cast(Any, pieces), Deadline(5.0))
            self.assertEqual(wire.search("dc=x", "(a=b)", (), limit=2), found)

    def test_too_many(self) -> None:
        """More than asked for is told, by the server or not, and the connection goes on."""
        entries = [entry(1, f"cn={n}", {}) for n in range(50)]
        self.said(*entries, result(1, SEARCH_DONE, 0), result(2, SEARCH_DONE, 4))
        for _ in range(2):
            with self.assertRaises(TooMany):
                self.search()
        self.said(entry(3, "cn=a", {}), result(3, SEARCH_DONE, 0))
        self.assertEqual(self.search(), [Entry("cn=a")])

    def test_results(self) -> None:
        """Nothing is there, the server is in trouble, or it does not want to: three different things."""
        for number, code in enumerate((32, 10), 1):
            self.said(result(number, SEARCH_DONE, code))
            self.assertEqual(self.search(), [])
        self.said(result(3, SEARCH_DONE, 50, "says too much"))
        with self.assertRaises(SearchRefused) as caught:
            self.search()
        self.assertEqual(
            str(caught.exception), "a search is refused: insufficientAccessRights (50)"
        )
        self.said(result(4, SEARCH_DONE, 4096))
        with self.assertRaises(SearchRefused) as caught:
            self.search()
        self.assertEqual(str(caught.exception), "a search is refused: result (4096)")
        self.said(result(5, SEARCH_DONE, 51))
        self.assertEqual(self.failed(), "a search fails: busy (51)")

    def test_several(self) -> None:
        """Several are asked before any answer is read, which come in any order; each has its own end."""
        questions = [
            Question("dc=x", text, ("uid",), 1)
            for text in ("(a=1)", "(a=", "(a=2)", "(a=3)", "(a=4)")
        ]
        self.said(
            *(entry(3, "cn=c", {}), entry(1, "cn=a", {}), result(4, SEARCH_DONE, 32)),
            *(entry(2, "cn=b", {}), entry(2, "cn=bb", {}), result(2, SEARCH_DONE, 0)),
            *(result(3, SEARCH_DONE, 50), result(1, SEARCH_DONE, 0)),
        )
        a, none, b, c, d = self.wire.search_all(questions)
        self.assertEqual((a, d), ([Entry("cn=a")], []))
        self.assertEqual(
            [type(one) for one in (none, b, c)], [SearchRefused, TooMany, SearchRefused]
        )
        asked = b"".join(
            message(number, search_request("dc=x", "subtree", encode_filter(text), ("uid",), 1))
            for number, text in enumerate(("(a=1)", "(a=2)", "(a=3)", "(a=4)"), 1)
        )
        self.assertEqual(self.asked(), asked)
        self.said(entry(5, "cn=e", {}), result(5, SEARCH_DONE, 0))
        self.assertEqual(self.search(), [Entry("cn=e")])

    def test_several_and_another(self) -> None:
        """An answer to none of them ends the connection, and so does a second end of one of them, or one of another kind."""
        two = [Question("dc=x", "(a=b)", (), 1)] * 2
        end = result(1, SEARCH_DONE, 0)
        for answers in (
            (end, end),
            (end, result(3, SEARCH_DONE, 0)),
            (end, result(2, BIND_ANSWER, 0)),
        ):
            pieces = Pieces(b"".join(answers), 1000)
            wire = LdapWire(cast(Any, pieces), Deadline(5.0))
            with self.assertRaises(ServerFailed):
                wire.search_all(two)

    def test_no_filter(self) -> None:
        """What is no filter is not sent."""
        with self.assertRaises(SearchRefused):
            self.wire.search("dc=x", "(a=b", (), limit=1)
        self.assertEqual(self.asked(), b"")

    def test_another_kind(self) -> None:
        """A search ends with the end of a search."""
        self.said(result(1, BIND_ANSWER, 0))
        self.assertIn("another kind", self.failed())

    def test_server_leaves(self) -> None:
        """A notice of disconnection is the end, and so is the end of the connection."""
        notice = element(0x8A, b"1.3.6.1.4.1.1466.20036")
        self.said(result(0, EXTENDED_ANSWER, 52, more=notice))
        self.assertIn("ends the connection", self.failed())
        self.setUp()
        self.said(entry(1, "cn=a", {}))
        self.far.shutdown(socket.SHUT_WR)
        self.assertIn("closed the connection", self.failed())

    def test_too_long(self) -> None:
        """No more is read than the bound, as one message or as many."""
        self.said(b"\x30\x84" + MAX_ANSWER.to_bytes(4, "big"))
        self.assertIn("too long", self.failed())
        endless = Pieces(entry(1, "cn=a", {"a": [b"x" * 60_000]}) * 2, 60_000, endless=True)
        wire = LdapWire(cast(Any, endless), Deadline(60.0))
        with self.assertRaises(ServerFailed):
            wire.search("dc=x", "(a=b)", (), limit=2)
        self.assertLessEqual(endless.given, MAX_ANSWER + 60_000)

    def test_deadline(self) -> None:
        """Nobody waits for longer, and nothing is sent when there is no time left."""
        self.wire.deadline = Deadline(0.01)
        with self.assertRaises(NoAnswer):
            self.search()
        self.assertNotEqual(self.asked(), b"")
        with self.assertRaises(NoAnswer):
            self.search()
        self.assertEqual(self.asked(), b"")

    def test_deadline_holds_for_all_reads(self) -> None:
        """A server that sends a byte now and then is as late as one that sends none."""
        late = Pieces(entry(1, "cn=a", {"a": [b"x" * 100]}), 1)
        wire = LdapWire(cast(Any, late), Deadline(0.0))
        wire.deadline = cast(Any, Patience(50))
        with self.assertRaises(NoAnswer):
            wire.search("dc=x", "(a=b)", (), limit=2)
        self.assertLess(late.given, 50)


class StartTlsTests(WireCase):
    """TLS on a connection that began without."""

    def test_refused(self) -> None:
        """A server that does not want to is told no more."""
        self.said(result(1, EXTENDED_ANSWER, 52))
        with self.assertRaises(ServerFailed) as caught:
            self.wire.start_tls(ssl.create_default_context(), "dc1.example.com")
        self.assertEqual(str(caught.exception), "StartTLS is refused: unavailable (52)")
        self.assertEqual(self.asked(), message(1, start_tls_request()))

    def test_nothing_from_before(self) -> None:
        """What came with the answer in clear is not taken for what came by TLS."""
        self.said(result(1, EXTENDED_ANSWER, 0), result(2, BIND_ANSWER, 0))
        with self.assertRaises(ServerFailed) as caught:
            self.wire.start_tls(ssl.create_default_context(), "dc1.example.com")
        self.assertIn("before TLS", str(caught.exception))
        self.assertEqual(self.asked(), message(1, start_tls_request()))


class CloseTests(WireCase):
    """Leaving."""

    def test_goodbye(self) -> None:
        """It says goodbye, once."""
        self.wire.close()
        self.wire.close()
        self.assertEqual(self.asked(), message(1, unbind_request()))
        self.assertEqual(self.far.recv(1), b"")


class Pieces:
    """
    As much of a socket as is used, which has an answer in pieces.

    @ivar given: bytes of it.
    """

    def __init__(self, answer: bytes, size: int, *, endless: bool = False) -> None:
        self.given = 0
        self._answer = answer
        self._size = size
        self._endless = endless
        self._at = 0

    def settimeout(self, seconds: float) -> None:
        """Nobody waits."""

    def sendall(self, data: bytes) -> None:
        """Take a request."""

    def recv(self, size: int) -> bytes:
        """Give the next piece."""
        if self._endless and self._at >= len(self._answer):
            self._at = 0
        piece = self._answer[self._at : self._at + self._size]
        self._at += len(piece)
        self.given += len(piece)
        return piece


class Patience:
    """A deadline that is over after so many looks at it."""

    def __init__(self, looks: int) -> None:
        self._looks = looks

    def left(self) -> float:
        """Give the time that is left."""
        self._looks -= 1
        if self._looks <= 0:
            raise TimeoutError
        return float(self._looks)
