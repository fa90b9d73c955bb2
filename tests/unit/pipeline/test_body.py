"""The pipe that content flows through."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Block, BodyFilter, ContentRefused
from gateway.pipeline.body import HIGH_WATER, BodyPipe
from tests.effort import examples


class Ends:
    """A source and a sink that write down what they are told, in one list."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def pause(self) -> None:
        """Be asked to give no more."""
        self.told.append("pause")

    def resume(self) -> None:
        """Be asked to go on."""
        self.told.append("resume")

    def write(self, data: bytes) -> None:
        """Take a piece."""
        self.told.append(data)

    def flush(self) -> None:
        """Learn that nothing more comes for now."""
        self.told.append("flush")

    def end(self, trailers: tuple[bytes, ...]) -> None:
        """Take the end."""
        self.told.append(("end", trailers))

    def fail(self, error: BaseException) -> None:
        """Learn that it broke off."""
        self.told.append(("fail", error))

    def done(self, error: BaseException | None) -> None:
        """Learn that the pipe is done."""
        self.told.append(("done", error))

    @property
    def content(self) -> bytes:
        """All that was written."""
        return b"".join(one for one in self.told if type(one) is bytes)


class Twice(BodyFilter):
    """Gives each piece twice and a mark at the end."""

    def data(self, chunk: bytes) -> bytes:
        """Give it twice."""
        return chunk * 2

    def end(self) -> bytes:
        """Give the mark."""
        return b"!"


class Keeps(BodyFilter):
    """Gives everything at the end."""

    def __init__(self) -> None:
        self._kept = b""

    def data(self, chunk: bytes) -> bytes:
        """Keep it."""
        self._kept += chunk
        return b""

    def end(self) -> bytes:
        """Give it."""
        return self._kept


class Refuses(BodyFilter):
    """
    Refuses at some point.

    @ivar left: bytes that may pass; below 0 the end is refused.
    """

    changes_length = False

    def __init__(self, left: int) -> None:
        self.left = left

    def data(self, chunk: bytes) -> bytes:
        """
        Count.

        @raise ContentRefused: too many.
        """
        self.left -= len(chunk)
        if self.left < 0:
            raise ContentRefused(Block("too many"))
        return chunk

    def end(self) -> bytes:
        """
        Refuse what is not exactly as long.

        @raise ContentRefused: too few.
        """
        if self.left:
            raise ContentRefused(Block("too few"))
        return b""


class PipeTestCase(SynchronousTestCase):
    """One pipe."""

    def setUp(self) -> None:
        self.ends = Ends()
        self.pipe = BodyPipe(self.ends, self.ends.done)
        self.error = ValueError("broken off")

    def assertTold(self, *expected: Any) -> None:
        """The ends were told this since the last look."""
        self.assertEqual(self.ends.told, list(expected))
        self.ends.told.clear()


class ClosedPipeTests(PipeTestCase):
    """Before it is opened."""

    def test_keeps_what_comes(self) -> None:
        """Nothing passes; opened, everything comes in order."""
        self.pipe.write(b"a")
        self.pipe.flush()
        self.pipe.write(b"b")
        self.assertTold()
        self.pipe.open(self.ends)
        self.assertTold(b"a", b"b")
        self.assertEqual(self.pipe.count, 2)

    def test_pauses_its_source(self) -> None:
        """At high water the source is paused, once; opened, it is resumed."""
        self.pipe.write(bytes(HIGH_WATER - 1))
        self.assertTold()
        self.pipe.write(b"a")
        self.pipe.write(b"b")
        self.assertTold("pause")
        self.assertTrue(self.pipe.paused)
        self.pipe.open(self.ends)
        self.assertTold(bytes(HIGH_WATER - 1), b"a", b"b", "resume")
        self.assertFalse(self.pipe.paused)

    def test_ended_before(self) -> None:
        """A message that is complete already is passed on with its end, and done."""
        self.pipe.write(b"a")
        self.pipe.end((b"X-A: b",))
        self.assertTrue(self.pipe.ended)
        self.assertTold()
        self.pipe.open(self.ends)
        self.assertTold(b"a", ("end", (b"X-A: b",)), ("done", None))

    def test_broken_off_before(self) -> None:
        """One that broke off is passed on as far as it came, and as broken."""
        self.pipe.write(b"a")
        self.pipe.fail(self.error)
        self.pipe.open(self.ends)
        self.assertTold(b"a", ("fail", self.error), ("done", self.error))

    def test_nobody_listens(self) -> None:
        """Nobody has to be told of the end."""
        pipe = BodyPipe(self.ends)
        pipe.write(b"a")
        pipe.end()
        pipe.open(self.ends)
        self.assertTold(b"a", ("end", ()))
        pipe = BodyPipe(self.ends)
        pipe.open(self.ends)
        pipe.end()
        self.assertTold(("end", ()))
        pipe = BodyPipe(self.ends)
        pipe.open(self.ends)
        pipe.fail(self.error)
        self.assertTold(("fail", self.error))


class OpenPipeTests(PipeTestCase):
    """While it is open."""

    def setUp(self) -> None:
        super().setUp()
        self.pipe.open(self.ends)

    def test_passes_on(self) -> None:
        """Each piece, each flush and the end go straight to the sink."""
        self.pipe.write(b"a")
        self.pipe.flush()
        self.pipe.end((b"X-A: b",))
        self.assertTold(b"a", "flush", ("end", (b"X-A: b",)), ("done", None))

    def test_breaks_off(self) -> None:
        """A failure goes to the sink as one, once."""
        self.pipe.fail(self.error)
        self.pipe.fail(self.error)
        self.assertTold(("fail", self.error), ("done", self.error))

    def test_failure_after_the_end(self) -> None:
        """After the end a failure means nothing."""
        self.pipe.end()
        self.ends.told.clear()
        self.pipe.fail(self.error)
        self.assertTold()

    def test_back_pressure(self) -> None:
        """The sink's wish to pause goes to the source, once each way."""
        self.pipe.pauseProducing()
        self.pipe.pauseProducing()
        self.assertTrue(self.pipe.paused)
        self.pipe.resumeProducing()
        self.pipe.resumeProducing()
        self.assertTold("pause", "resume")

    def test_no_back_pressure_after_the_end(self) -> None:
        """After the end the source is left alone."""
        self.pipe.end()
        self.ends.told.clear()
        self.pipe.pauseProducing()
        self.pipe.resumeProducing()
        self.pipe.stopProducing()
        self.assertTold()

    def test_content_after_an_abort(self) -> None:
        """After an abort nothing passes, but it is counted."""
        self.pipe.abort(self.error)
        self.ends.told.clear()
        self.pipe.write(b"abc")
        self.pipe.flush()
        self.pipe.end()
        self.assertTold()
        self.assertEqual(self.pipe.count, 3)


class AbortTests(PipeTestCase):
    """L{BodyPipe.abort}."""

    def test_closed(self) -> None:
        """What was kept is dropped, the source resumed, the pipe done."""
        self.pipe.write(bytes(HIGH_WATER))
        self.pipe.abort(self.error)
        self.assertTold("pause", "resume", ("done", self.error))

    def test_open(self) -> None:
        """The sink hears nothing: its owner has ended it already."""
        self.pipe.open(self.ends)
        self.pipe.abort(self.error)
        self.assertTold(("done", self.error))

    def test_paused(self) -> None:
        """A source that was paused by the sink is resumed, so that it can be drained."""
        self.pipe.open(self.ends)
        self.pipe.pauseProducing()
        self.pipe.abort(self.error)
        self.assertTold("pause", "resume", ("done", self.error))

    def test_again(self) -> None:
        """A second one means nothing."""
        self.pipe.abort(self.error)
        self.ends.told.clear()
        self.pipe.abort(self.error)
        self.pipe.fail(self.error)
        self.assertTold()

    def test_after_the_end(self) -> None:
        """After the end it means nothing."""
        self.pipe.open(self.ends)
        self.pipe.end()
        self.ends.told.clear()
        self.pipe.abort(self.error)
        self.assertTold()

    def test_after_an_end_that_nobody_took(self) -> None:
        """A message that was complete but never opened is dropped."""
        self.pipe.write(b"abc")
        self.pipe.end()
        self.pipe.abort(self.error)
        self.assertTold(("done", self.error))


class FilterTests(PipeTestCase):
    """Filters."""

    def test_in_order(self) -> None:
        """Content passes the filters in their order; what each holds at the end passes those behind it."""
        self.pipe.filter([Keeps(), Twice()])
        self.pipe.open(self.ends)
        self.pipe.write(b"a")
        self.pipe.write(b"b")
        self.assertTold()
        self.pipe.end()
        self.assertTold(b"abab!", ("end", ()), ("done", None))
        self.assertEqual(self.pipe.count, 2)

    def test_put_in_behind_content(self) -> None:
        """What is here when the filters come passes them too, and so does the end."""
        self.pipe.write(b"a")
        self.pipe.write(b"b")
        self.pipe.end()
        self.pipe.filter([Twice()])
        self.pipe.open(self.ends)
        self.assertTold(b"aa", b"bb", b"!", ("end", ()), ("done", None))

    def test_end_while_closed(self) -> None:
        """An end that comes to a closed pipe ends its filters, once."""
        self.pipe.filter([Twice()])
        self.pipe.write(b"a")
        self.pipe.end()
        self.pipe.open(self.ends)
        self.assertTold(b"aa", b"!", ("end", ()), ("done", None))

    def test_length(self) -> None:
        """Whether some filter may change the length is known."""
        self.assertFalse(self.pipe.filtered)
        self.pipe.filter([Refuses(1)])
        self.assertFalse(self.pipe.filtered)
        self.pipe.filter([Refuses(1), Twice()])
        self.assertTrue(self.pipe.filtered)

    def test_refused_while_open(self) -> None:
        """A refusal goes to who gives the content; the refused piece goes nowhere."""
        self.pipe.filter([Refuses(2)])
        self.pipe.open(self.ends)
        self.pipe.write(b"ab")
        self.assertRaises(ContentRefused, self.pipe.write, b"c")
        self.assertTold(b"ab")

    def test_refused_at_the_end(self) -> None:
        """A refusal of the end leaves the message without one."""
        self.pipe.filter([Refuses(2)])
        self.pipe.open(self.ends)
        self.pipe.write(b"a")
        self.assertRaises(ContentRefused, self.pipe.end)
        self.assertTold(b"a")

    def test_refused_when_put_in(self) -> None:
        """What is here already may be refused when the filters come."""
        self.pipe.write(b"abc")
        self.assertRaises(ContentRefused, self.pipe.filter, [Refuses(2)])
        pipe = BodyPipe(self.ends)
        pipe.write(b"a")
        pipe.end()
        self.assertRaises(ContentRefused, pipe.filter, [Refuses(2)])
        self.assertTold()

    def test_empty_pieces(self) -> None:
        """A filter is never given an empty piece, nor the sink."""
        seen: list[bytes] = []

        class Notes(BodyFilter):
            def data(self, chunk: bytes) -> bytes:
                seen.append(chunk)
                return chunk

        self.pipe.filter([Keeps(), Notes()])
        self.pipe.open(self.ends)
        self.pipe.write(b"a")
        self.pipe.end()
        self.assertEqual(seen, [b"a"])
        self.assertEqual(self.ends.told[0], b"a")


class AnyOrderTests(SynchronousTestCase):
    """Whatever is called in whatever order."""

    @settings(max_examples=examples(200), deadline=None, derandomize=True)
    @given(
        calls=st.lists(
            st.one_of(
                st.binary(min_size=1, max_size=40000).map(lambda data: ("write", data)),
                st.sampled_from(
                    ("open", "end", "fail", "abort", "flush", "pauseProducing", "resumeProducing")
                ).map(lambda name: (name, None)),
            ),
            max_size=20,
        ),
        filters=st.sampled_from(((), (Twice,), (Keeps,), (Keeps, Twice))),
    )
    def test_ends_once(
        self, calls: list[tuple[str, bytes | None]], filters: tuple[type[BodyFilter], ...]
    ) -> None:
        """It is done at most once, the sink has one end at most, and nothing comes behind that."""
        ends = Ends()
        pipe = BodyPipe(ends, ends.done)
        pipe.filter([made() for made in filters])
        given_bytes = b""
        over = opened = False
        for name, data in calls:
            if name == "write":
                if over:
                    continue
                assert data is not None
                given_bytes += data
                pipe.write(data)
            elif name == "open":
                # Its owner opens it once, and not after he aborted it.
                if not opened:
                    opened = True
                    pipe.open(ends)
            elif name in ("fail", "abort"):
                over = True
                opened = opened or name == "abort"
                getattr(pipe, name)(ValueError())
            elif name == "end":
                if not over:
                    over = True
                    pipe.end()
            else:
                getattr(pipe, name)()
        final = [one for one in ends.told if isinstance(one, tuple)]
        self.assertLessEqual(len([one for one in final if one[0] == "done"]), 1)
        self.assertLessEqual(len([one for one in final if one[0] in ("end", "fail")]), 1)
        if ("end", ()) in final:
            if not filters:
                self.assertEqual(ends.content, given_bytes)
            self.assertEqual(ends.told.index(("end", ())), len(ends.told) - 2)
        self.assertEqual(pipe.count, len(given_bytes))
