"""One connection to a directory server, in memory: questions, answers in pieces, late ones, odd ones, and its end."""

from __future__ import annotations

import ssl
from typing import Any

from twisted.internet.defer import CancelledError

from gateway_auth.bind_results import PASSWORD_POLICY, Answer
from gateway_auth.ldap_ber import element
from gateway_auth.ldap_connection import MAX_ANSWER
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
from gateway_auth.ldap_pool import Pool
from gateway_auth.ldap_settings import LdapSettings, server_uri
from gateway_auth.ldap_wire import (
    Deadline,
    NoAnswer,
    Question,
    SearchRefused,
    ServerFailed,
    TooMany,
)
from gateway_auth.tests.lines import WireCase, Written
from gateway_auth.tests.test_ldap_messages import POLICY, control, entry, octets, result, widened

SECRET = "a very secret password"


def bind_asked(number: int = 1, name: str = "cn=x", password: str = SECRET) -> bytes:
    """Write what is asked by a bind."""
    return message(number, bind_request(name, password.encode(), (PASSWORD_POLICY,)))


def search_asked(number: int = 1, text: str = "(a=b)", limit: int = 2) -> bytes:
    """Write what is asked by a search."""
    return message(number, search_request("dc=x", "subtree", encode_filter(text), ("uid",), limit))


class BindTests(WireCase):
    """Authenticating it."""

    def test_bind(self) -> None:
        """The server's answer is given with its controls, and each request has the next number."""
        binding = self.wire.bind("cn=x", SECRET)
        self.assertEqual(self.asked(), bind_asked(1))
        self.assertNoResult(binding)
        self.said(result(1, BIND_ANSWER, 0))
        self.assertEqual(self.successResultOf(binding), Answer(0))
        after = control(PASSWORD_POLICY, octets(POLICY))
        binding = self.wire.bind("cn=x", SECRET)
        self.assertEqual(self.asked(), bind_asked(2))
        self.said(widened(result(2, BIND_ANSWER, 49, "data 52e", after=after)))
        self.assertEqual(
            self.successResultOf(binding), Answer(49, "data 52e", {PASSWORD_POLICY: POLICY})
        )

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
            self.connect()
            binding = self.wire.bind("cn=x", SECRET)
            self.said(answer)
            error = self.failureResultOf(binding, ServerFailed).value
            self.assertNotIsInstance(error, NoAnswer)
            self.assertFalse(self.wire.is_open)
            self.assertTrue(self.line.is_aborted)
            # A right one that comes later is nobody's.
            self.said(result(1, BIND_ANSWER, 0))
            self.failureResultOf(self.wire.bind("cn=x", SECRET), ServerFailed)

    def test_answer_from_before(self) -> None:
        """What came together with the answer to the bind before is no answer to the next one, which is not sent."""
        binding = self.wire.bind("cn=x", "wrong")
        self.said(result(1, BIND_ANSWER, 49), result(2, BIND_ANSWER, 0))
        self.assertEqual(self.successResultOf(binding).code, 49)
        self.asked()
        self.assertIn("not asked", self.why(self.wire.bind("cn=y", "wrong")))
        self.assertEqual(self.asked(), b"")
        self.assertTrue(self.line.is_aborted)

    def test_answer_from_before_in_part(self) -> None:
        """Neither is the beginning of one whose rest comes after the question."""
        binding = self.wire.bind("cn=x", "wrong")
        self.said(result(1, BIND_ANSWER, 49), result(2, BIND_ANSWER, 0)[:1])
        self.successResultOf(binding)
        self.asked()
        self.assertIn("not asked", self.why(self.wire.bind("cn=y", "wrong")))
        self.assertEqual(self.asked(), b"")

    def test_answer_before_a_question(self) -> None:
        """An answer that comes while nothing is asked ends the connection."""
        self.said(result(1, BIND_ANSWER, 0))
        self.assertFalse(self.wire.is_open)
        self.assertTrue(self.line.is_aborted)
        self.failureResultOf(self.wire.bind("cn=x", SECRET), ServerFailed)
        self.assertEqual(self.asked(), b"")

    def test_asked_from_an_answer(self) -> None:
        """Who asks at once when an answer comes, asks behind what came with it."""
        seen: list[Any] = []
        binding = self.wire.bind("cn=x", "wrong")
        binding.addCallback(lambda _: self.wire.bind("cn=y", "wrong")).addErrback(seen.append)
        self.said(result(1, BIND_ANSWER, 49), result(2, BIND_ANSWER, 0))
        self.assertEqual([type(one.value) for one in seen], [ServerFailed])
        self.assertEqual(self.asked(), bind_asked(1, "cn=x", "wrong"))

    def test_nothing_secret_is_shown(self) -> None:
        """No error has a password in it, whatever goes wrong."""
        texts = []
        for answer in (b"", b"\x30\x05" + SECRET.encode(), result(1, BIND_ANSWER, 0) * 2):
            for password in (SECRET, SECRET + "\ud800"):
                self.connect()
                for _ in range(2):
                    binding = self.wire.bind("cn=x", password)
                    self.said(answer)
                    if not binding.called:
                        self.leave()
                    results: list[Any] = []
                    binding.addBoth(results.append)
                    if isinstance(results[0], Answer):
                        continue
                    error = results[0].value
                    texts.append(
                        f"{error} {error!r} {error.__cause__} {error.__context__} {results[0].getTraceback()}"
                    )
        self.assertGreater(len(texts), 8)
        for part in (SECRET, "udc", "ud800"):
            self.assertNotIn(part, "".join(texts) + repr(self.wire))


class SearchTests(WireCase):
    """Finding entries."""

    def test_search(self) -> None:
        """All entries are given, references to other servers are not followed, however it is cut in pieces."""
        reference = message(1, element(0x73, octets("ldap://other.example.com/")))
        answer = (
            *(entry(1, "cn=a", {"uid": [b"1"]}), reference),
            *(entry(1, "cn=b", {"uid": [b"x" * 300]}), result(1, SEARCH_DONE, 0)),
        )
        found = [Entry("cn=a", {"uid": (b"1",)}), Entry("cn=b", {"uid": (b"x" * 300,)})]
        self.assertEqual(self.search(*answer), found)
        self.assertEqual(self.asked(), search_asked())
        for wide in (False, True):
            for size in (1, 2, 3, 7, 100):
                self.connect()
                parts = map(widened, answer) if wide else answer
                self.assertEqual(self.search(*parts, size=size), found)

    def test_too_many(self) -> None:
        """More than asked for is told, by the server or not, and the connection goes on."""
        searching = self.begin()
        self.said(*(entry(1, f"cn={n}", {}) for n in range(50)), result(1, SEARCH_DONE, 0))
        self.failureResultOf(searching, TooMany)
        searching = self.begin()
        self.said(result(2, SEARCH_DONE, 4))
        self.failureResultOf(searching, TooMany)
        self.assertEqual(
            self.search(entry(3, "cn=a", {}), result(3, SEARCH_DONE, 0)), [Entry("cn=a")]
        )

    def test_results(self) -> None:
        """Nothing is there, the server is in trouble, or it does not want to: three different things."""
        for number, code in enumerate((32, 10), 1):
            self.assertEqual(self.search(result(number, SEARCH_DONE, code)), [])
        for number, code, text in (
            (3, 50, "a search is refused: insufficientAccessRights (50)"),
            (4, 4096, "a search is refused: result (4096)"),
        ):
            searching = self.begin()
            self.said(result(number, SEARCH_DONE, code, "says too much"))
            self.assertEqual(str(self.failureResultOf(searching, SearchRefused).value), text)
        self.assertEqual(self.failed(result(5, SEARCH_DONE, 51)), "a search fails: busy (51)")

    def test_several(self) -> None:
        """Several are asked before any answer is read, which come in any order; each has its own end."""
        questions = [
            Question("dc=x", text, ("uid",), 1)
            for text in ("(a=1)", "(a=", "(a=2)", "(a=3)", "(a=4)")
        ]
        searching = self.wire.search_all(questions)
        self.assertEqual(
            self.asked(),
            b"".join(
                search_asked(number, text, 1)
                for number, text in enumerate(("(a=1)", "(a=2)", "(a=3)", "(a=4)"), 1)
            ),
        )
        self.said(
            *(entry(3, "cn=c", {}), entry(1, "cn=a", {}), result(4, SEARCH_DONE, 32)),
            *(entry(2, "cn=b", {}), entry(2, "cn=bb", {}), result(2, SEARCH_DONE, 0)),
            result(3, SEARCH_DONE, 50),
            size=5,
        )
        self.assertNoResult(searching)
        self.said(result(1, SEARCH_DONE, 0))
        a, none, b, c, d = self.successResultOf(searching)
        self.assertEqual((a, d), ([Entry("cn=a")], []))
        self.assertEqual(
            [type(one) for one in (none, b, c)], [SearchRefused, TooMany, SearchRefused]
        )
        self.assertEqual(
            self.search(entry(5, "cn=e", {}), result(5, SEARCH_DONE, 0)), [Entry("cn=e")]
        )

    def test_several_and_another(self) -> None:
        """An answer to none of them ends the connection, and so does a second end of one of them, or one of another kind."""
        two = [Question("dc=x", "(a=b)", (), 1)] * 2
        end = result(1, SEARCH_DONE, 0)
        for answers in (
            (end, end),
            (end, result(3, SEARCH_DONE, 0)),
            (end, result(2, BIND_ANSWER, 0)),
        ):
            self.connect()
            searching = self.wire.search_all(two)
            self.said(*answers)
            self.failureResultOf(searching, ServerFailed)
            self.assertFalse(self.wire.is_open)

    def test_no_filter(self) -> None:
        """What is no filter is not sent, and what is asked of nobody is answered."""
        searching = self.wire.search_all([Question("dc=x", "(a=b", (), 1)])
        (found,) = self.successResultOf(searching)
        self.assertIsInstance(found, SearchRefused)
        self.assertEqual(self.successResultOf(self.wire.search_all([])), [])
        self.assertEqual(self.asked(), b"")
        self.assertEqual(self.search(result(1, SEARCH_DONE, 0)), [])

    def test_another_kind(self) -> None:
        """A search ends with the end of a search."""
        self.assertIn("another kind", self.failed(result(1, BIND_ANSWER, 0)))

    def test_server_leaves(self) -> None:
        """A notice of disconnection is the end, and so is the end of the connection."""
        notice = element(0x8A, b"1.3.6.1.4.1.1466.20036")
        self.assertIn(
            "ends the connection", self.failed(result(0, EXTENDED_ANSWER, 52, more=notice))
        )
        self.connect()
        searching = self.begin()
        self.said(entry(1, "cn=a", {}))
        self.leave()
        self.assertIn("closed the connection", self.why(searching))
        self.assertFalse(self.wire.is_open)

    def test_too_long(self) -> None:
        """No more is read than the bound, as one message or as many."""
        self.assertIn("too long", self.failed(b"\x30\x84" + MAX_ANSWER.to_bytes(4, "big")))
        self.connect()
        piece = entry(1, "cn=a", {"a": [b"x" * 60_000]})
        searching = self.begin()
        given = 0
        while not searching.called:
            self.said(piece)
            given += len(piece)
            self.assertLessEqual(given, MAX_ANSWER + len(piece))
        self.assertIn("too long", self.why(searching))
        self.assertGreater(given, MAX_ANSWER)

    def test_too_long_in_pieces(self) -> None:
        """Neither is one message that is within the bound, behind others."""
        searching = self.begin()
        self.said(*[entry(1, "cn=a", {"a": [b"x" * 60_000]})] * 100)
        self.said(b"\x30\x83" + (3 * 2**20).to_bytes(3, "big"))
        for _ in range(100):
            if not searching.called:
                self.said(b"x" * 60_000)
        self.assertIn("too long", self.why(searching))

    def test_bound_is_for_each_question(self) -> None:
        """What the answers to earlier questions took does not count."""
        big = [entry(1, "cn=a", {"a": [b"x" * (MAX_ANSWER // 2)]})]
        self.search(*big, result(1, SEARCH_DONE, 0))
        for number in (2, 3):
            one = entry(number, "cn=a", {"a": [b"x" * (MAX_ANSWER // 2)]})
            self.assertEqual(len(self.search(one, result(number, SEARCH_DONE, 0))), 1)


class DeadlineTests(WireCase):
    """Nobody waits for longer than the deadline says."""

    def test_over(self) -> None:
        """Nothing is sent when there is no time left."""
        self.clock.advance(5.0)
        error = self.failureResultOf(self.begin(), NoAnswer).value
        self.assertEqual(str(error), "no answer in time")
        self.failureResultOf(self.wire.bind("cn=x", SECRET), NoAnswer)
        self.assertEqual(self.asked(), b"")

    def test_late(self) -> None:
        """What is not answered in time fails then, not sooner; what comes later is nobody's."""
        searching = self.begin()
        self.clock.advance(4.99)
        self.assertNoResult(searching)
        self.clock.advance(0.02)
        self.failureResultOf(searching, NoAnswer)
        self.assertTrue(self.line.is_aborted)
        self.assertFalse(self.wire.is_open)
        self.said(result(1, SEARCH_DONE, 0))
        self.failureResultOf(self.begin(), ServerFailed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_holds_for_all_that_comes(self) -> None:
        """A server that sends a byte now and then is as late as one that sends none."""
        searching = self.begin()
        for byte in entry(1, "cn=a", {"a": [b"x" * 100]})[:49]:
            self.said(bytes((byte,)))
            self.clock.advance(0.1)
        self.assertNoResult(searching)
        self.clock.advance(0.2)
        self.failureResultOf(searching, NoAnswer)

    def test_holds_for_all_questions(self) -> None:
        """The time of a second question is what the first has left; a new deadline is a new time."""
        self.clock.advance(3.0)
        self.search(result(1, SEARCH_DONE, 0))
        searching = self.begin()
        self.clock.advance(1.5)
        self.said(result(2, SEARCH_DONE, 0))
        self.successResultOf(searching)
        self.wire.deadline = Deadline(self.clock, 5.0)
        searching = self.begin()
        self.clock.advance(4.9)
        self.assertNoResult(searching)
        self.clock.advance(0.2)
        self.failureResultOf(searching, NoAnswer)

    def test_one_timer(self) -> None:
        """Many questions have one timer, which is moved when there is an earlier deadline, and waits on when there is a later one."""
        made: list[float] = []
        call_later = self.clock.callLater

        def counted(seconds: float, *args: Any, **named: Any) -> Any:
            made.append(seconds)
            return call_later(seconds, *args, **named)

        self.patch(self.clock, "callLater", counted)
        for number in range(1, 101):
            self.wire.deadline = Deadline(self.clock, 5.0 + number)
            self.search(result(number, SEARCH_DONE, 0))
        self.assertEqual(made, [6.0])
        # The timer of the first finds that the deadline is a later one by now.
        searching = self.begin()
        self.clock.advance(6.0)
        self.assertEqual(made, [6.0, 99.0])
        self.said(result(101, SEARCH_DONE, 0))
        self.successResultOf(searching)
        self.wire.deadline = Deadline(self.clock, 1.0)
        searching = self.begin()
        self.assertEqual(made, [6.0, 99.0, 1.0])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(1.0)
        self.failureResultOf(searching, NoAnswer)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_idle(self) -> None:
        """A deadline that passes while nothing is asked closes nothing."""
        self.search(result(1, SEARCH_DONE, 0))
        self.clock.advance(10.0)
        self.assertTrue(self.wire.is_open)
        self.assertFalse(self.line.is_aborted)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.wire.deadline = Deadline(self.clock, 5.0)
        self.assertEqual(self.search(result(2, SEARCH_DONE, 0)), [])


class SendingTests(WireCase):
    """How questions leave."""

    def test_at_once(self) -> None:
        """A question leaves at once, and small ones do not wait for others."""
        self.line.is_full = True
        self.begin()
        self.assertEqual(self.asked(), search_asked())
        self.assertTrue(self.line.has_no_delay)

    def test_part(self) -> None:
        """What the system does not take at once is sent later, all of it and in order; nothing is sent past what waits."""
        whole = search_asked(1) + search_asked(2)
        for room in (0, 1, 20, len(whole) - 1):
            self.connect()
            self.line.room, self.line.is_full = room, True
            searching = self.wire.search_all([Question("dc=x", "(a=b)", ("uid",), 2)] * 2)
            self.assertEqual(self.line.sent, whole[:room])
            self.assertEqual(self.line.waits, whole[room:])
            # A server may answer early; what it is asked then waits behind the rest.
            self.line.room = None
            self.said(result(1, SEARCH_DONE, 32), result(2, SEARCH_DONE, 32))
            self.successResultOf(searching)
            self.begin()
            self.line.flush()
            self.assertEqual(self.asked(), whole + search_asked(3))

    def test_error(self) -> None:
        """When it can't be sent at once all of it is left to the transport, which knows what is wrong."""
        self.line.room, self.line.is_full = OSError("gone"), True
        searching = self.begin()
        self.assertEqual(self.line.waits, search_asked())
        self.leave()
        self.assertIn("closed the connection", self.why(searching))


class PlainSendingTests(WireCase):
    """A transport that can't send at once."""

    makes = Written

    def test_written(self) -> None:
        """Questions are written to it."""
        self.line.is_full = True
        searching = self.begin()
        self.assertEqual((self.line.sent, self.line.waits), (b"", search_asked()))
        self.line.flush()
        self.said(result(1, SEARCH_DONE, 0))
        self.assertEqual(self.successResultOf(searching), [])


class StartTlsTests(WireCase):
    """TLS on a connection that began without, before it begins."""

    def test_refused(self) -> None:
        """A server that does not want to is told no more."""
        starting = self.wire.start_tls(ssl.create_default_context(), "dc1.example.com")
        self.said(result(1, EXTENDED_ANSWER, 52))
        self.assertEqual(self.why(starting), "StartTLS is refused: unavailable (52)")
        self.assertEqual(self.asked(), message(1, start_tls_request()))
        self.assertFalse(self.wire.is_open)

    def test_another_answer(self) -> None:
        """Only the answer to this wish begins TLS."""
        for answer in (
            result(2, EXTENDED_ANSWER, 0),
            result(1, BIND_ANSWER, 0),
            entry(1, "cn=x", {}),
        ):
            self.connect()
            starting = self.wire.start_tls(ssl.create_default_context(), "dc1.example.com")
            self.said(answer)
            self.failureResultOf(starting, ServerFailed)
            self.assertEqual(self.asked(), message(1, start_tls_request()))

    def test_nothing_from_before(self) -> None:
        """What came with the answer in clear, even a part of a message, is not taken for what came by TLS."""
        for more in (result(2, BIND_ANSWER, 0), b"\x30", b"\x16\x03\x03"):
            self.connect()
            starting = self.wire.start_tls(ssl.create_default_context(), "dc1.example.com")
            self.said(result(1, EXTENDED_ANSWER, 0), more)
            self.assertIn("before TLS", self.why(starting))
            self.assertEqual(self.asked(), message(1, start_tls_request()))


class CloseTests(WireCase):
    """Leaving."""

    def test_goodbye(self) -> None:
        """It says goodbye, once."""
        self.wire.close()
        self.wire.close()
        self.assertEqual(self.asked(), message(1, unbind_request()))
        self.assertTrue(self.line.is_leaving)
        self.assertFalse(self.line.is_aborted)
        self.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_goodbye_waits(self) -> None:
        """A goodbye that can't be sent within a second is not said."""
        self.line.room, self.line.is_full = 0, True
        self.wire.close()
        self.clock.advance(0.9)
        self.assertFalse(self.line.is_aborted)
        self.clock.advance(0.2)
        self.assertTrue(self.line.is_aborted)
        self.leave()

    def test_in_the_middle(self) -> None:
        """While something is asked there is no goodbye, and no answer comes any more."""
        searching = self.begin()
        self.asked()
        self.wire.close()
        self.assertEqual(self.asked(), b"")
        self.assertTrue(self.line.is_aborted)
        self.said(result(1, SEARCH_DONE, 0))
        self.leave()
        self.assertNoResult(searching)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nobody_waits(self) -> None:
        """When who waits gives up the connection is given up with it, since the answer may still come."""
        searching = self.begin()
        searching.cancel()
        self.failureResultOf(searching, CancelledError)
        self.assertTrue(self.line.is_aborted)
        self.assertFalse(self.wire.is_open)
        self.said(result(1, SEARCH_DONE, 0))
        self.failureResultOf(self.begin(), ServerFailed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_never_connected(self) -> None:
        """What was never connected can be closed, and is asked nothing."""
        wire = type(self.wire)(self.clock, Deadline(self.clock, 5.0))
        wire.close()
        self.failureResultOf(wire.bind("cn=x", SECRET), ServerFailed)

    def test_closed_while_idle(self) -> None:
        """A connection that the server closes while it is kept is not taken again, and another one is."""
        self.search(result(1, SEARCH_DONE, 0))
        first, kept = self.wire, []
        self.connect()
        settings = LdapSettings(uri=(server_uri("ldaps://192.0.2.1"),), base="dc=x")
        pool = Pool(settings, settings.uri[0], _never, self.clock.seconds)
        pool.give("service", self.wire)
        pool.give("service", first)
        first.connectionLost()
        self.assertFalse(first.is_open)
        kept += [pool.take("service"), pool.take("service")]
        self.assertEqual(kept, [self.wire, None])
        self.assertEqual(self.asked(), b"")


async def _never(*_: object) -> Any:
    raise AssertionError
