"""
The IP user cache: for a fixed time, what comes from an address is the user's who authenticated there.

It is for requests that bring nothing by which their user could be known: no credentials, no cookie, on a connection that
has none either. Those that bring something are judged by that, and teach this cache.

An address is a weak sign, so an entry answers little and not for long (docs/auth-ip-cache.md has the reasons, and what
remains):

 - its window is fixed: it ends so long after the user was first seen, however busy he is;
 - it answers programs of the kind that has authenticated there alone, by their C{User-Agent}: another kind is asked;
 - it answers nobody in its first half minute and in each half minute after five: whoever is behind the address is asked
   in that time, and two who answer differently share it (L{gateway_auth.shared_addresses});
 - schemes that identify a connection never make an entry: they only show whether others are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

from gateway.api import Client, Identity, Services, Transaction
from gateway_auth.address_book import (
    MOST_PROGRAMS,
    Entry,
    Lookup,
    Mark,
    Signs,
    book_of,
    canonical,
    key_of,
)
from gateway_auth.credentials import values
from gateway_auth.repeats import Repeat
from gateway_auth.settings import AuthSettings
from gateway_auth.shared_addresses import SharedAddresses

#: C{Identity.source} of whom only the address tells.
SOURCE = "address"


class AddressCache:
    """
    Knows whose addresses are, as one plugin object's settings want it; what is known outlives the object.

    @ivar guard: which addresses are shared.
    """

    def __init__(self, settings: AuthSettings, services: Services) -> None:
        own = settings.addresses
        self._settings = own
        self._clock = services.clock
        self._window = settings.ip_cache
        self._icap_window = settings.ip_cache_icap
        self._rules = [(rule.for_, rule.ip_cache) for rule in settings.networks]
        self._book = book_of(services)
        # In entries, in place of this object, which they must not keep after a reload.
        self._token = object()
        self.guard = SharedAddresses(
            self._book,
            services,
            notices=own.guard,
            seconds=own.shared_for,
            most=own.entries,
            shared_networks=own.shared_networks,
            trusted_proxies=own.trusted_proxies,
        )

    # On the path of requests.

    def signs(self, txn: Transaction) -> Signs:
        """Give what L{get} looks at in a request, which is the same for all of a connection with the same lines."""
        guarded = self._settings.guard
        return guarded and self.guard.relayed(txn), self._program(txn)

    def get(
        self, txn: Transaction, *, can_be_asked: bool = True, signs: Signs | None = None
    ) -> Identity | None:
        """
        Give the user of a request's address, if the address is believed for this request.

        To be asked anew for each request: an entry may end, or its address turn out to be shared, while a connection goes
        on. Who keeps it takes L{kept}, which says so.

        @param can_be_asked: whoever sends this request can be asked who he is. If not there is no probation, which
            would only refuse him; sharing shows by requests that can be.
        @param signs: of L{signs}, if they are known already.
        """
        entry = self._believed(txn, can_be_asked=can_be_asked, signs=signs)
        return None if entry is None else entry.identity

    def kept(
        self, txn: Transaction, last: Repeat, signs: Signs, *, can_be_asked: bool = True
    ) -> Identity | None:
        """
        Give the user as L{get} does, and let a connection keep that, until it is taken back or everybody is asked.

        @param last: what the connection keeps of this request.
        """
        entry = self._believed(txn, can_be_asked=can_be_asked, signs=signs)
        if entry is None:
            return None
        last.by_address(entry.believed(), self._asked_next(signs[1], entry), entry.key)
        return entry.identity

    def again(self, key: str, client: Client) -> bool:
        """
        Count a request that is answered by what its connection has kept.

        @param key: of the entry, which is there.
        @return: whether it may be: the network's settings may have become others.
        """
        if client.shared and self._settings.guard:
            return False
        book = self._book
        book.entries.move_to_end(key)
        book.lookups["hits"] += 1
        return True

    def _believed(
        self, txn: Transaction, *, can_be_asked: bool, signs: Signs | None
    ) -> Entry | None:
        """Give the entry that L{get} answers from."""
        client, book = txn.client, self._book
        if client.shared and self._settings.guard:
            # The network's settings say so.
            book.lookups["unknown"] += 1
            return None
        entry = self._living(key_of(canonical(client.address), client.mode))
        if entry is None or not entry.programs:
            book.lookups["unknown"] += 1
            return None
        if self._settings.guard:
            doubt = self._doubt(signs or self.signs(txn), entry)
            if doubt is not None and (can_be_asked or doubt != "probation"):
                book.lookups[doubt] += 1
                return None
        book.entries.move_to_end(entry.key)
        book.lookups["hits"] += 1
        return entry

    def put(self, txn: Transaction, identity: Identity) -> None:
        """Take note of who has just shown who he is by credentials, a cookie or a form, in this very request."""
        entry = self._seen(txn, identity)
        if entry is None:
            return
        program = self._program(txn)
        if program not in entry.programs and len(entry.programs) < MOST_PROGRAMS:
            entry.programs[program] = self._clock.seconds()

    def saw(self, txn: Transaction, identity: Identity) -> None:
        """Take note of who has shown it for his connection alone (Negotiate, NTLM): a sign of sharing and no more."""
        self._seen(txn, identity)

    def shared(self, address: str) -> bool:
        """Tell whether an address counts as shared now; what is none does."""
        found = canonical(address)
        return not found or self.guard.reason(found) is not None

    # For operators, and for users who log out.

    @property
    def size(self) -> int:
        """How many entries there are at the most, those included that are over."""
        return len(self._book.entries)

    def numbers(self) -> dict[str, float]:
        """Give what is counted, for the hook C{counters}; it goes on over a reload."""
        book = self._book
        return {
            **{f"auth_address_{name}_total": count for name, count in book.lookups.items()},
            "auth_addresses": len(book.entries),
            "auth_shared_addresses": len(book.marks),
        }

    def evict(self, what: str) -> tuple[str, ...]:
        """
        Forget an address, also that it is shared, or all addresses of a user.

        @return: the addresses of which something was known.
        """
        entries, marks = self._book.entries, self._book.marks
        address = canonical(what)
        found = [entry for entry in entries.values() if _is_of(entry, what, address)]
        self._drop(found)
        gone = {entry.address for entry in found}
        if address and marks.pop(address, None) is not None:
            gone.add(address)
        return tuple(sorted(gone))

    def entries(self, what: str = "") -> Iterator[Entry]:
        """
        Give what is remembered and may answer, as it is now: the most recently used first.

        @param what: only those of this user, or address.
        """
        address = canonical(what)
        for entry in reversed(list(self._book.entries.values())):
            if what and not _is_of(entry, what, address):
                continue
            if self._living(entry.key) is entry and entry.programs:
                yield entry

    def marks(self) -> Iterator[Mark]:
        """Give the addresses noted as shared, the latest first."""
        for address in reversed(list(self._book.marks)):
            mark = self.guard.mark(address)
            if mark is not None:
                yield mark

    def on_probation(self, entry: Entry) -> bool:
        """Tell whether an entry answers nobody for now."""
        now = self._clock.seconds()
        return self._settings.guard and all(
            self._is_asked(now - begun) for begun in entry.programs.values()
        )

    # Within.

    def _seen(self, txn: Transaction, identity: Identity) -> Entry | None:
        """Note a user at an address, unless it is shared or not to be remembered; give the entry."""
        client, user = txn.client, identity.user
        if client.shared and self._settings.guard:
            return None
        address = canonical(client.address)
        window = self._window_at(address, client.mode)
        if not window or user.endswith("$"):
            return None
        guard = self.guard
        reason = guard.by_settings(address)
        if reason is None and guard.relayed(txn):
            reason = "relay"
        if reason is None and guard.notices:
            mark = guard.mark(address)
            if mark is not None:
                reason = mark.reason
            elif any(entry.identity.user != user for entry in self._at(address)):
                reason = "users"
        if reason is not None:
            guard.noticed(address, reason, user)
            self._drop(self._at(address))
            return None
        return self._noted(address, client, identity, window)

    def _noted(self, address: str, client: Client, identity: Identity, window: float) -> Entry:
        now = self._clock.seconds()
        key = key_of(address, client.mode)
        entries = self._book.entries
        entry = self._living(key)
        given = Identity(identity.user, identity.groups, SOURCE)
        if entry is None or entry.identity.user != given.user:
            if entry is not None:
                entry.take_back()
            entry = entries[key] = Entry(key, address, given, now, now + window, vetted=self._token)
            while len(entries) > self._settings.entries:
                entries.popitem(last=False)[1].take_back()
        elif entry.identity.groups != given.groups:
            entry.identity = given
            entry.take_back()
        return entry

    def _living(self, key: str) -> Entry | None:
        """Give an entry that is not over, and that the settings still want."""
        entry = self._book.entries.get(key)
        if entry is None:
            return None
        if entry.vetted is not self._token:
            # Made under other settings, before a reload: a shorter window holds at once, a longer one from the next on.
            mode = "icap" if key != entry.address else ""
            window = self._window_at(entry.address, mode)
            if self.guard.by_settings(entry.address):
                window = 0.0
            entry.until = min(entry.until, entry.since + window)
            entry.vetted = self._token
            entry.take_back()
        if self._clock.seconds() >= entry.until:
            self._drop((entry,))
            return None
        return entry

    def _at(self, address: str) -> list[Entry]:
        """Give all that is remembered of an address."""
        found = (self._living(address), self._living(key_of(address, "icap")))
        return [entry for entry in found if entry is not None]

    def _drop(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._book.entries.pop(entry.key, None)
            entry.take_back()

    def _doubt(self, signs: Signs, entry: Entry) -> Lookup | None:
        """Say why the address is not believed for this request; C{None} if it is."""
        relayed, program = signs
        if relayed:
            return "relay"
        begun = entry.programs.get(program)
        if begun is None:
            return "other_program"
        return "probation" if self._is_asked(self._clock.seconds() - begun) else None

    def _is_asked(self, seconds: float) -> bool:
        """Tell whether so long after a program has first authenticated everybody is asked."""
        settings = self._settings
        if seconds < settings.probation:
            return True
        every = settings.probation_every
        return every > 0 and seconds % every < settings.probation

    def _asked_next(self, program: int, entry: Entry) -> float:
        """Give when everybody is asked again who uses a program that an entry answers for now."""
        every = self._settings.probation_every
        if not self._settings.guard or not self._settings.probation or not every:
            return inf
        begun = entry.programs[program]
        return begun + ((self._clock.seconds() - begun) // every + 1) * every

    def _program(self, txn: Transaction) -> int:
        if not self._settings.same_program or not self._settings.guard:
            return 0
        found = values(txn.request.fields.lines, b"\nuser-agent:")
        return hash(found[0] if found else None)

    def _window_at(self, address: str, mode: str) -> float:
        """Give how long a user is remembered at an address, in seconds; 0.0: not at all."""
        if not address:
            return 0.0
        for networks, window in self._rules:
            if address in networks:
                if window is not None:
                    return window
                break
        return self._icap_window if mode == "icap" else self._window


def _is_of(entry: Entry, user: str, address: str) -> bool:
    """Tell whether an entry is a user's, whichever letters of the name are capitals, or an address's."""
    name = entry.identity.user
    return address == entry.address or name == user or name.casefold() == user.casefold()
