"""
Against guessing: after some wrong passwords a user, or an address, has to wait before another one is tried at all.

Waits double up to an end, and are forgotten after a quiet time. What is kept is bounded; when it is full, who was quiet for
longest is forgotten. Who is told to wait is told nothing else than after a wrong password. Passwords that are
remembered are not tried, so nobody who is signed in is locked out by others.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from gateway.api import Clock

#: So many users and so many addresses are kept.
MOST = 20000
#: A wait that was doubled so often is over every limit.
_MOST_DOUBLINGS = 30


@dataclass(slots=True)
class _Tries:
    """Wrong passwords lately: how many, when the last one, and from when on another may be tried."""

    count: int = 0
    last: float = 0.0
    until: float = 0.0


class _Ledger:
    """Counts for one kind of subject."""

    def __init__(self, free: int, wait: float, longest: float, forget: float, most: int) -> None:
        self._free = free
        self._wait = wait
        self._longest = longest
        self._forget = forget
        self._most = most
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tries)

    def wait(self, subject: str, now: float) -> float:
        found = self._tries.get(subject)
        return 0.0 if found is None else max(0.0, found.until - now)

    def failed(self, subject: str, now: float) -> None:
        tries = self._tries.pop(subject, None)
        if tries is None or now - tries.last >= self._forget + max(0.0, tries.until - tries.last):
            tries = _Tries()
        tries.count += 1
        tries.last = now
        over = tries.count - self._free
        if over >= 0:
            doubled = self._wait * 2.0 ** min(over, _MOST_DOUBLINGS)
            tries.until = now + min(doubled, self._longest)
        self._tries[subject] = tries
        if len(self._tries) > self._most:
            self._tries.popitem(last=False)

    def excused(self, subject: str) -> None:
        tries = self._tries.get(subject)
        if tries is not None:
            tries.count -= 1
            tries.until = 0.0
            if tries.count <= 0:
                del self._tries[subject]

    def forget(self, subject: str) -> None:
        self._tries.pop(subject, None)


class Limiter:
    """Counts wrong passwords by user and by address."""

    def __init__(
        self,
        clock: Clock,
        *,
        tries: int = 5,
        address_tries: int = 50,
        wait_seconds: float = 1.0,
        longest_seconds: float = 900.0,
        forget_seconds: float = 900.0,
        most: int = MOST,
    ) -> None:
        """
        Begin with nothing.

        @param tries: wrong passwords of one user before the first wait.
        @param address_tries: wrong passwords from one address likewise.
        @param most: how many users, and how many addresses, are kept.
        """
        self._clock = clock
        self._users = _Ledger(tries, wait_seconds, longest_seconds, forget_seconds, most)
        self._addresses = _Ledger(
            address_tries, wait_seconds, longest_seconds, forget_seconds, most
        )
        self._forget = forget_seconds
        self._most = most
        # When a user last showed at an address who he is.
        self._good: OrderedDict[tuple[str, str], float] = OrderedDict()

    def wait(self, user: str, address: str) -> float:
        """
        Tell how many seconds are left until another password may be tried; 0.0: now.

        Where a user was let in lately, what others guess elsewhere under his name does not keep him waiting.
        """
        return self._wait(_user(user), _address(address), self._clock.seconds())

    def begin(self, user: str, address: str) -> float:
        """As L{wait}; if it is now, it is counted as L{begun}."""
        user, now = _user(user), self._clock.seconds()
        wait = self._wait(user, _address(address), now)
        if wait <= 0.0:
            self._users.failed(user, now)
        return wait

    def _wait(self, user: str, address: str, now: float) -> float:
        at_address = self._addresses.wait(address, now)
        since = self._good.get((user, address))
        if since is not None and now - since < self._forget:
            return at_address
        return max(self._users.wait(user, now), at_address)

    def wait_at(self, address: str) -> float:
        """Tell how long an address has to wait, whatever the user."""
        return self._addresses.wait(_address(address), self._clock.seconds())

    def begun(self, user: str) -> None:
        """Count a password as wrong while it is being checked, so that guesses at the same time are counted, too."""
        self._users.failed(_user(user), self._clock.seconds())

    def failed_at(self, address: str) -> None:
        """
        Count a wrong password of an address.

        Not before it is known to be wrong: behind one address there may be hundreds who begin their day.
        """
        self._addresses.failed(_address(address), self._clock.seconds())

    def excused(self, user: str) -> None:
        """Take back what was counted by L{begun}: nobody could say."""
        self._users.excused(_user(user))

    def failed(self, user: str, address: str) -> None:
        """Count a wrong password that was not counted by L{begun}."""
        self.begun(user)
        self.failed_at(address)

    def succeeded(self, user: str, address: str) -> None:
        """
        Forget a user's wrong passwords.

        Not those of the address: who has one account could go on guessing those of others.
        """
        user = _user(user)
        self._users.forget(user)
        pair = user, _address(address)
        self._good.pop(pair, None)
        self._good[pair] = self._clock.seconds()
        if len(self._good) > self._most:
            self._good.popitem(last=False)

    @property
    def size(self) -> int:
        """How many users and addresses are kept."""
        return len(self._users) + len(self._addresses) + len(self._good)


def _user(name: str) -> str:
    return name.strip().casefold()[:256]


def _address(address: str) -> str:
    """Give what one client can't change at will: of IPv6 the first 64 bits (RFC 4291 section 2.5.4)."""
    if ":" not in address or address.startswith("::ffff:"):
        return address
    head, _, tail = address.partition("%")[0].partition("::")
    groups = head.split(":") if head else []
    if "::" in address:
        right = tail.split(":") if tail else []
        groups += ["0"] * (8 - len(groups) - len(right)) + right
    return ":".join(group.lstrip("0") or "0" for group in groups[:4])
