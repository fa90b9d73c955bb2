"""Tests of coroutines that nobody waits for by themselves."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gateway_auth.errand import Errand


class ErrandTests(SynchronousTestCase):
    """L{Errand}."""

    def setUp(self) -> None:
        """Make what it may wait for."""
        self.said: list[object] = []
        self.first: Deferred[int] = Deferred()
        self.second: Deferred[int] = Deferred()

    def over(self, result: object) -> None:
        """Note what came of it."""
        self.said.append(result)

    def error(self) -> type[BaseException]:
        """Give what it failed with."""
        (failure,) = self.said
        assert isinstance(failure, Failure)
        assert failure.type is not None
        return failure.type

    async def both(self) -> int:
        """Wait twice."""
        return await self.first + await self.second

    def test_at_once(self) -> None:
        """What needs no wait is over at once."""

        async def answer() -> int:
            return await succeed(7)

        Errand(answer(), self.over)
        self.assertEqual(self.said, [7])

    def test_raises_at_once(self) -> None:
        """Nor does what it raises get out."""

        async def answer() -> int:
            raise KeyError("no")

        Errand(answer(), self.over)
        self.assertIs(self.error(), KeyError)

    def test_waits(self) -> None:
        """It goes on through all its waits, and then is over once."""
        Errand(self.both(), self.over)
        self.first.callback(3)
        self.assertEqual(self.said, [])
        self.second.callback(4)
        self.assertEqual(self.said, [7])

    def test_deals_with_an_error(self) -> None:
        """A wait that fails raises in it, and it may go on."""

        async def answer() -> int:
            try:
                return await self.first
            except KeyError:
                return await self.second

        Errand(answer(), self.over)
        self.first.errback(KeyError())
        self.second.callback(4)
        self.assertEqual((self.said, self.flushLoggedErrors()), ([4], []))

    def test_fails(self) -> None:
        """What it does not deal with is said, and nowhere else."""
        Errand(self.both(), self.over)
        self.first.errback(KeyError())
        self.assertIs(self.error(), KeyError)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_cancelled(self) -> None:
        """To cancel it cancels what it waits for; when it is over that means nothing."""
        errand = Errand(self.both(), self.over)
        errand.cancel()
        self.assertIs(self.error(), CancelledError)
        errand.cancel()
        self.assertEqual(len(self.said), 1)
