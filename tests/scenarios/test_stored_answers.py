"""Stored responses on their way: from files, confirmed or replaced by what the upstream says, refreshed afterwards."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import (
    Block,
    Response,
    Stored,
    StoredFile,
    Transaction,
    UpstreamError,
    Validator,
    hookimpl,
)
from gateway.message.fields import Fields
from gateway.testing.peers import ScriptedClient, request, response
from tests.scenarios.hooks import HookTestCase
from tests.scenarios.plugins import Base, OnEnd, OnLookUp, OnResponse
from tests.scenarios.support import URL

OLD = b"from a store"


def stored(content: bytes = OLD, **more: Any) -> Stored:
    """Give something stored."""
    return Stored(Response(200, Fields([b'ETag: "x"', b"Age: 3"]), content), **more)


class Files:
    """Files with stored content; counts how often each is let go of."""

    def __init__(self) -> None:
        self.released: list[int] = []

    def stored(self, content: bytes, *, length: int | None = None, **more: Any) -> Stored:
        """Give something stored in a file, behind a few bytes that are not its."""
        with tempfile.TemporaryFile() as file:
            file.write(b"head" + content)
            file.flush()
            descriptor = os.dup(file.fileno())

        def release() -> None:
            os.close(descriptor)
            self.released.append(descriptor)

        size = len(content) if length is None else length
        found = StoredFile(descriptor, 4, size, release)
        return Stored(Response(200, Fields([b'ETag: "x"']), length=size), found, **more)


class FileTests(HookTestCase):
    """Content that is read from a file."""

    def setUp(self) -> None:
        """Make files."""
        self.files = Files()

    def test_sent(self) -> None:
        """It is what the client gets, framed by its length, and the file is let go of once."""
        content = os.urandom(300_000)
        gateway, origin, client = self.started(OnLookUp(lambda txn: self.files.stored(content)))
        client.send(request(URL) + request(URL))
        gateway.settle()
        answers = client.responses()
        self.assertEqual([answer.content for answer in answers], [content] * 2)
        self.assertEqual(answers[0].get("content-length"), b"300000")
        self.assertEqual(len(self.files.released), 2)
        self.assertEqual(origin.connections, [])
        self.assertEqual([line["outcome"] for line in gateway.log], ["delivered"] * 2)

    def test_empty(self) -> None:
        """There may be nothing in it."""
        gateway, _, client = self.started(OnLookUp(lambda txn: self.files.stored(b"")))
        client.send(request(URL) + request(URL))
        gateway.settle()
        self.assertEqual([answer.content for answer in client.responses()], [b""] * 2)
        self.assertEqual(len(self.files.released), 2)

    def test_head(self) -> None:
        """HEAD gets the length and no content, and the file is let go of."""
        gateway, _, client = self.started(OnLookUp(lambda txn: self.files.stored(b"abc")))
        client.send(request(URL, method=b"HEAD") + request(URL, method=b"HEAD"))
        gateway.settle()
        answers = client.responses(b"HEAD", b"HEAD")
        self.assertEqual([answer.get("content-length") for answer in answers], [b"3", b"3"])
        self.assertEqual(len(self.files.released), 2)

    def test_slow_client(self) -> None:
        """No more is read than the client takes."""
        content = os.urandom(8_000_000)
        gateway, _, client = self.started(OnLookUp(lambda txn: self.files.stored(content)))
        client.stop_reading()
        client.send(request(URL))
        gateway.settle()
        self.assertEqual(self.files.released, [])
        client.read_on()
        gateway.settle()
        self.assertEqual(client.response().content, content)
        self.assertEqual(len(self.files.released), 1)

    def test_client_gone(self) -> None:
        """The file is let go of when the client has gone."""
        gateway, _, client = self.started(OnLookUp(lambda txn: self.files.stored(bytes(8_000_000))))
        client.stop_reading()
        client.send(request(URL))
        client.reset()
        gateway.settle()
        self.assertEqual(len(self.files.released), 1)
        self.assertLine(gateway, outcome="aborted")

    def test_too_short(self) -> None:
        """A file with less in it than was said breaks the response off, so that nobody takes it for whole."""
        gateway, _, client = self.started(
            OnLookUp(lambda txn: self.files.stored(b"abc", length=10))
        )
        client.send(request(URL))
        gateway.settle()
        self.assertTrue(client.closed)
        self.assertFalse(client.responses()[0].complete)
        self.assertEqual(len(self.files.released), 1)

    def test_refused(self) -> None:
        """What a plugin refuses is not sent, and its file let go of."""

        class Both(OnLookUp, OnResponse):
            pass

        plugin = Both(
            lambda txn: self.files.stored(b"secret") if txn.response is None else Block("no")
        )
        gateway, _, client = self.started(plugin)
        client.send(request(URL))
        gateway.settle()
        self.assertEqual(client.response().status, 403)
        self.assertNotIn(b"secret", client.received)
        self.assertEqual(len(self.files.released), 1)


class FieldsTests(HookTestCase):
    """What the gateway adds."""

    def test_via_and_date(self) -> None:
        """A stored response passed through here, so it says so; a Date is only added where there is none."""
        _, _, client = self.started(OnLookUp(lambda txn: stored()))
        client.send(request(URL))
        answer = client.response()
        self.assertIsNotNone(answer.get("via"))
        self.assertEqual((len(answer.all("date")), answer.get("age")), (1, b"3"))

    def test_no_content(self) -> None:
        """A 304 made of what is stored has no content and no length."""
        found = Stored(Response(304, Fields([b'ETag: "x"'])))
        _, _, client = self.started(OnLookUp(lambda txn: found))
        client.send(request(URL) + request(URL))
        answers = client.responses()
        self.assertEqual([answer.status for answer in answers], [304, 304])
        self.assertIsNone(answers[0].get("content-length"))


class Storing(OnLookUp):
    """Beside another plugin of the test's."""

    name = "store"


class AgainTests(HookTestCase):
    """One stored response that is given for several requests."""

    DATED = (b'ETag: "x"', b"Date: Sun, 22 Nov 2026 11:47:20 GMT")

    def given(self, plugin: Base | None = None, **site: object) -> ScriptedClient:
        """Start a gateway that always gives the same, in memory."""
        self.same = Stored(Response(200, Fields(list(self.DATED)), OLD, reason=b"OK"), memo={})
        self.found: object = self.same
        plugins: dict[str, object] = {"store": Storing(lambda txn: self.found)}
        if plugin is not None:
            plugins["test"] = plugin
        self.gateway = self.reverse(site, plugins=plugins)
        return self.gateway.client()

    def test_alike(self) -> None:
        """All get the same, byte for byte, and each is in the log."""
        client = self.given()
        for _ in range(3):
            client.send(request(b"/"))
        first, *others = client.responses()
        self.assertEqual((first.status, first.content, first.get("etag")), (200, OLD, b'"x"'))
        self.assertEqual((len(first.all("via")), first.get("content-length")), (1, b"12"))
        self.assertEqual([one.raw for one in others], [first.raw] * 2)
        self.assertEqual(
            [(line["status"], line["route"], line["upstream"]) for line in self.gateway.log],
            [(200, "store", None)] * 3,
        )

    def test_other_clients(self) -> None:
        """Who speaks HTTP/1.0, closes or asks by HEAD gets what is meant for him."""
        self.given().send(request(b"/"))
        client = self.gateway.client()
        client.send(request(b"/", method=b"HEAD"))
        answer = client.response(b"HEAD")
        self.assertEqual((answer.content, answer.get("content-length")), (b"", b"12"))
        client.send(request(b"/", b"Connection: close"))
        self.assertEqual(client.responses(b"HEAD", b"GET")[1].get("connection"), b"close")
        self.assertTrue(client.closed)
        client = self.gateway.client()
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        self.assertEqual(client.response().get("connection"), b"close")

    def test_changed_for_one(self) -> None:
        """What a plugin changes in an answer is that one client's."""

        def changes(txn: Transaction) -> None:
            assert txn.response is not None
            if b"mine" in txn.request.raw_target:
                txn.response.fields.set("X-User", "alice")
                txn.response.status = 203

        client = self.given(OnResponse(changes))
        for path in (b"/", b"/mine", b"/", b"/mine", b"/"):
            client.send(request(path))
        answers = client.responses()
        self.assertEqual([one.status for one in answers], [200, 203, 200, 203, 200])
        self.assertEqual(
            [one.get("x-user") for one in answers], [None, b"alice", None, b"alice", None]
        )
        self.assertEqual(self.same.response.fields.lines, list(self.DATED))

    def test_changed_at_the_end(self) -> None:
        """Nor does it get further when it is all over."""

        def changes(txn: Transaction) -> None:
            assert txn.response is not None
            txn.response.fields.set("X-User", "alice")

        client = self.given(OnEnd(changes))
        for _ in range(2):
            client.send(request(b"/"))
        self.assertEqual([one.get("x-user") for one in client.responses()], [None, None])

    def test_not_asked(self) -> None:
        """A plugin that does not want to be asked about what is stored is not; about what comes from upstream it is."""

        class Spared(Base):
            @hookimpl(stored=False)
            def response_headers(self, txn: Transaction) -> None:
                self.asked.append("response")

            @hookimpl(stored=False)
            def transaction_complete(self, txn: Transaction) -> None:
                self.asked.append("end")

        spared = Spared()
        client = self.given(spared)
        for _ in range(2):
            client.send(request(b"/"))
        self.assertEqual((len(client.responses()), spared.asked), (2, []))
        waiting: Deferred[Stored] = Deferred()
        self.found = waiting
        client.send(request(b"/"))
        waiting.callback(self.same)
        self.gateway.settle()
        files = Files()
        self.found = files.stored(b"in a file")
        client.send(request(b"/"))
        self.gateway.settle()
        self.assertEqual(
            [one.content for one in client.responses()[2:]], [OLD, b"in a file"], spared.asked
        )
        self.assertEqual(spared.asked, [])
        self.found = None
        self.gateway.origin(reply=response(b"fresh"))
        client.send(request(b"/"))
        self.assertEqual(
            (client.responses()[4].content, spared.asked), (b"fresh", ["response", "end"])
        )

    def test_not_judged(self) -> None:
        """Where a plugin that has to judge it fails, it is not sent."""

        def fails(txn: Transaction) -> None:
            raise ZeroDivisionError("a plugin is broken")

        client = self.given(OnResponse(fails))
        client.send(request(b"/"))
        self.gateway.settle()
        self.assertEqual(client.response().status, 503)
        self.assertNotIn(OLD, client.received)
        self.assertEqual(len(self.flushLoggedErrors()), 2)

    def test_reload(self) -> None:
        """Another name of the gateway is told from the next answer on."""
        client = self.given()
        client.send(request(b"/"))
        self.successResultOf(self.gateway.reload({"gateway.name": "another"}))
        client.send(request(b"/"))
        self.assertEqual(
            [one.get("via") for one in client.responses()],
            [b"1.1 gateway-under-test", b"1.1 another"],
        )


class Asked:
    """A plugin's side of a validator."""

    def __init__(self, answer: Stored | None = None) -> None:
        self.answer = answer
        self.came: list[Any] = []

    def __call__(self, txn: Transaction, came: Response | UpstreamError) -> Stored | None:
        """Be told what came."""
        self.came.append(came.status if isinstance(came, Response) else came.page)
        return self.answer

    def validator(self, **fields: str | None) -> Validator:
        """Make one."""
        return Validator({"If-None-Match": '"x"', **fields}, self)


class ValidatedTests(HookTestCase):
    """Who stored something is told what the upstream says of it."""

    def test_confirmed(self) -> None:
        """What is stored is sent in place of the 304, and the connection upstream kept."""
        for kept in (False, True):
            asked = Asked(stored())
            gateway, origin, client = self.started(
                OnLookUp(lambda txn, asked=asked: asked.validator()), kept=kept
            )
            client.send(request(URL))
            self.assertEqual(origin.requests[-1].get("if-none-match"), b'"x"')
            origin.send(response(status=b"304 Not Modified"))
            gateway.settle()
            self.assertEqual((client.response().content, asked.came), (OLD, [304]))
            line = gateway.log[-1]
            self.assertEqual((line["status"], line["upstream"]), (200, "198.51.100.1:80"))
            self.assertEqual(gateway.upstream_connections, 1)

    def test_replaced(self) -> None:
        """A new response goes on as any, though the request was changed."""
        for kept in (False, True):
            asked = Asked()
            gateway, origin, client = self.started(
                OnLookUp(lambda txn, asked=asked: asked.validator(Range=None)), kept=kept
            )
            client.send(request(URL, b"Range: bytes=0-1"))
            self.assertIsNone(origin.requests[-1].get("range"))
            origin.send(response(b"new"))
            gateway.settle()
            self.assertEqual((client.response().content, asked.came), (b"new", [200]))

    def test_server_error(self) -> None:
        """What is stored may stand for a server's error, whose content goes nowhere."""
        for missing in (0, 3):
            asked = Asked(stored())
            gateway, origin, client = self.started(OnLookUp(lambda txn, a=asked: a.validator()))
            client.send(request(URL))
            error = response(b"broken", status=b"503 No")
            origin.send(error[: len(error) - missing])
            gateway.settle()
            self.assertEqual((client.response().content, asked.came), (OLD, [503]))
            self.assertNotIn(b"broken", client.received)
            self.assertLine(gateway, status=200, outcome="delivered")

    def test_no_answer(self) -> None:
        """Or for one that did not answer at all."""
        for kept in (False, True):
            asked = Asked(stored())
            gateway, origin, client = self.started(
                OnLookUp(lambda txn, asked=asked: asked.validator()), kept=kept
            )
            client.send(request(URL))
            for connection in origin.connections:
                connection.close()
            gateway.settle()
            for connection in origin.connections:
                connection.close()
            gateway.settle()
            self.assertEqual((client.response().content, asked.came), (OLD, ["upstream_closed"]))

    def test_nothing_stands_for_it(self) -> None:
        """Without anything stored the client learns of the failure."""
        asked = Asked()
        gateway, origin, client = self.started(OnLookUp(lambda txn: asked.validator()))
        client.send(request(URL))
        origin.connection.close()
        gateway.settle()
        self.assertEqual((client.response().status, asked.came), (502, ["upstream_closed"]))

    def test_confirms_what_is_not_there(self) -> None:
        """A 304 for which nothing is stored any more is not the client's: the request is sent as it had come."""
        asked = Asked()
        gateway, origin, client = self.started(OnLookUp(lambda txn: asked.validator()))
        client.send(request(URL, b"X-Own: 1"))
        origin.send(response(status=b"304 Not Modified"))
        gateway.settle()
        again = origin.requests[-1]
        self.assertEqual((len(origin.requests), again.get("if-none-match")), (2, None))
        self.assertEqual(again.get("x-own"), b"1")
        origin.send(response(b"new"))
        gateway.settle()
        self.assertEqual((client.response().content, asked.came), (b"new", [304]))

    def test_raises(self) -> None:
        """One that raises is as one that has nothing."""

        def raises(txn: object, came: object) -> Any:
            raise ZeroDivisionError

        gateway, origin, client = self.started(
            OnLookUp(lambda txn: Validator({"If-None-Match": '"x"'}, raises))
        )
        client.send(request(URL))
        origin.send(response(b"new"))
        gateway.settle()
        self.assertEqual(client.response().content, b"new")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_no_field(self) -> None:
        """Fields that can't be set are as nothing stored: the request goes on unchanged."""
        gateway, origin, client = self.started(
            OnLookUp(lambda txn: Validator({"If-None-Match": '"x"', "a b": "c"}))
        )
        origin.reply = response(b"new")
        client.send(request(URL))
        gateway.settle()
        self.assertEqual(client.response().content, b"new")
        self.assertIsNone(origin.request.get("if-none-match"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class RefreshTests(HookTestCase):
    """What is stale and was sent is asked about afterwards."""

    def test_afterwards(self) -> None:
        """The client has its answer before the upstream is asked; what that says is told, and logged on a line of its own."""
        asked = Asked()
        found = stored(refresh=asked.validator())
        gateway, origin, client = self.started(OnLookUp(lambda txn: found))
        client.send(request(URL))
        self.assertEqual(client.response().content, OLD)
        self.assertEqual(origin.request.get("if-none-match"), b'"x"')
        first = self.assertLine(gateway, outcome="delivered", status=200)
        origin.send(response(b"new"))
        gateway.settle()
        second = gateway.log[-1]
        self.assertEqual((second["outcome"], second["status"]), ("delivered", 200))
        self.assertEqual(second["notes"]["refresh"], first["id"])
        self.assertEqual((asked.came, client.responses()[1:]), ([200], []))

    def test_busy_client(self) -> None:
        """The client's connection takes its next request meanwhile."""
        asked = Asked()
        answers = [stored(refresh=asked.validator()), stored(b"2")]
        gateway, origin, client = self.started(OnLookUp(lambda txn: answers.pop(0)))
        client.send(request(URL) + request(URL))
        self.assertEqual([a.content for a in client.responses()], [OLD, b"2"])
        client.close()
        gateway.settle()
        origin.send(response(b"new"))
        gateway.settle()
        self.assertEqual(asked.came, [200])

    def test_time_limit(self) -> None:
        """It does not wait for ever, and what stands for it is told."""
        asked = Asked()
        gateway, origin, client = self.started(
            OnLookUp(lambda txn: stored(refresh=asked.validator()))
        )
        client.send(request(URL))
        gateway.advance(200)
        self.assertEqual(len(origin.requests), 1)
        line = gateway.log[-1]
        self.assertEqual((line["outcome"], line["reason"]), ("failed", "upstream_timeout"))
        self.assertEqual(asked.came, [])
        self.assertEqual(gateway.upstream_connections, 0)

    def test_bound(self) -> None:
        """There are only so many at a time; those beyond are not begun."""
        asked = Asked()
        gateway, origin, client = self.started(
            OnLookUp(lambda txn: stored(refresh=asked.validator()))
        )
        client.send(request(URL) * 120)
        gateway.settle()
        self.assertEqual(len(client.responses()), 120)
        self.assertEqual(len(origin.connections), 100)

    def test_stop(self) -> None:
        """The gateway's end does not wait for it."""
        asked = Asked()
        gateway, origin, client = self.started(
            OnLookUp(lambda txn: stored(refresh=asked.validator()))
        )
        client.send(request(URL))
        client.close()
        gateway.stop()
        self.assertTrue(origin.connection.closed)
