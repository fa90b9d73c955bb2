"""The resolver: what is known at once, what is asked, what is remembered, and how it ends."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.faults import (
    NameInvalid,
    NameNotFound,
    NameServerFailure,
    NameTimeout,
    NameWithoutAddress,
)
from gateway.net.hosts import Hosts
from gateway.net.resolver import CacheLimits, Resolver
from tests.unit.net.dns_messages import ScriptedServers, a, aaaa, cname, soa

NAME = "www.example.com"


class ResolverCase(SynchronousTestCase):
    """A resolver with a scripted name server and a hosts file."""

    hosts = ""
    limits = CacheLimits()

    def setUp(self) -> None:
        self.clock = Clock()
        self.servers = ScriptedServers()
        path = self.mktemp()
        with open(path, "w", encoding="ascii") as file:
            file.write(self.hosts)
        self.resolver = Resolver(
            self.clock, self.servers, Hosts([path], self.clock), limits=self.limits
        )

    def ask(self, name: str = NAME) -> Deferred[tuple[str, ...]]:
        """Resolve a name that is not known."""
        found = self.resolver.resolve(name)
        assert isinstance(found, Deferred), found
        return found

    def give(self, *addresses: str, ttl: int = 60, name: str = NAME) -> None:
        """Answer both questions."""
        self.servers.answer(
            name, dns.AAAA, *(aaaa(name, address, ttl) for address in addresses if ":" in address)
        )
        self.servers.answer(
            name, dns.A, *(a(name, address, ttl) for address in addresses if ":" not in address)
        )

    def deny(self, code: int = dns.ENAME, authority: tuple[dns.RRHeader, ...] = ()) -> None:
        """Answer both questions with nothing."""
        for kind in (dns.AAAA, dns.A):
            self.servers.answer(NAME, kind, code=code, authority=authority)


class KnownAtOnceTests(ResolverCase):
    hosts = "192.0.2.1 Known.Example.COM known\n127.0.0.1 localhost\n192.0.2.8 x.invalid\n"

    def test_literals(self) -> None:
        """A literal address is its own answer."""
        self.assertEqual(self.resolver.resolve("192.0.2.7"), ("192.0.2.7",))
        self.assertEqual(self.resolver.resolve("[2001:DB8::1]"), ("2001:db8::1",))

    def test_hosts_file(self) -> None:
        """A name in the hosts file is not asked for, in whatever case and with the dot of the root."""
        for name in ("known", "KNOWN.example.com", "known.example.com."):
            self.assertEqual(self.resolver.resolve(name), ("192.0.2.1",))
        self.assertEqual(self.servers.log, [])

    def test_localhost(self) -> None:
        """localhost and what is below it mean loopback, by the file or without."""
        self.assertEqual(self.resolver.resolve("localhost"), ("127.0.0.1",))
        self.assertEqual(self.resolver.resolve("a.LocalHost."), ("127.0.0.1", "::1"))

    def test_names_that_cannot_be(self) -> None:
        """No name server is asked for .invalid and .onion; the hosts file may have them."""
        for name in ("nosuch-host.invalid", "invalid", "abc.onion"):
            self.assertRaises(NameNotFound, self.resolver.resolve, name)
        self.assertEqual(self.resolver.resolve("x.invalid"), ("192.0.2.8",))
        self.assertEqual(self.servers.log, [])

    def test_numbers(self) -> None:
        """A number that the C library would read as an address is no name, and is not asked for."""
        for name in ("127.1", "2130706433", "0x7f.1", "0177.0.0.1", "1.2.3.4.", "[127.0.0.1]"):
            self.assertRaises(NameInvalid, self.resolver.resolve, name)
        self.assertEqual(self.servers.log, [])

    def test_mapped_to_an_address(self) -> None:
        """Digits in another width that map to an address are no name either."""
        self.assertRaises(NameInvalid, self.resolver.resolve, "\uff11\uff12\uff17.0.0.1")


class AskingTests(ResolverCase):
    def test_both_families(self) -> None:
        """A and AAAA are asked side by side; both answers together are the result."""
        waiting = self.ask()
        self.assertEqual(self.servers.log, [f"{NAME} AAAA", f"{NAME} A"])
        self.assertNoResult(waiting)
        self.give("192.0.2.1", "2001:db8::1", "192.0.2.2")
        self.assertEqual(self.successResultOf(waiting), ("2001:db8::1", "192.0.2.1", "192.0.2.2"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_canonical_name(self) -> None:
        """The name is asked for, and remembered, in its canonical form."""
        waiting = self.ask("WWW.Example.COM.")
        self.give("192.0.2.1")
        self.successResultOf(waiting)
        self.assertEqual(self.resolver.resolve(NAME), ("192.0.2.1",))

    def test_together(self) -> None:
        """All who wait for one name share its questions."""
        first, second = self.ask(), self.ask(NAME.upper())
        self.give("192.0.2.1")
        self.assertEqual(self.successResultOf(first), ("192.0.2.1",))
        self.assertEqual(self.successResultOf(second), ("192.0.2.1",))
        self.assertEqual(len(self.servers.log), 2)

    def test_slow_family(self) -> None:
        """Addresses of one family are given 50 ms later, whatever becomes of the other."""
        waiting = self.ask()
        self.servers.answer(NAME, dns.A, a(NAME, "192.0.2.1"))
        self.clock.advance(0.049)
        self.assertNoResult(waiting)
        self.clock.advance(0.002)
        self.assertEqual(self.successResultOf(waiting), ("192.0.2.1",))

    def test_late_family(self) -> None:
        """What the slow family brings later is there for the next who asks."""
        self.ask()
        self.servers.answer(NAME, dns.A, a(NAME, "192.0.2.1"))
        self.clock.advance(0.1)
        self.assertEqual(self.resolver.resolve(NAME), ("192.0.2.1",))
        self.servers.answer(NAME, dns.AAAA, aaaa(NAME, "2001:db8::1"))
        self.assertEqual(self.resolver.resolve(NAME), ("2001:db8::1", "192.0.2.1"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_late_family_without_addresses(self) -> None:
        """A late answer without addresses does not change what is known, nor for how long."""
        self.ask()
        self.servers.answer(NAME, dns.A, a(NAME, "192.0.2.1", 2))
        self.clock.advance(0.1)
        self.clock.advance(1.4)
        self.servers.answer(NAME, dns.AAAA)
        self.assertEqual(self.resolver.resolve(NAME), ("192.0.2.1",))
        self.clock.advance(0.6)
        self.assertNoResult(self.ask())

    def test_no_data_waits_for_the_other(self) -> None:
        """A family without addresses says nothing of the other, which is waited for."""
        waiting = self.ask()
        self.servers.answer(NAME, dns.AAAA)
        self.clock.advance(2)
        self.assertNoResult(waiting)
        self.servers.answer(NAME, dns.A, a(NAME, "192.0.2.1"))
        self.assertEqual(self.successResultOf(waiting), ("192.0.2.1",))

    def test_wrong_no_name_for_one_family(self) -> None:
        """A server that denies the name for AAAA and has an A for it (RFC 4074 4.2) is taken at its A."""
        waiting = self.ask()
        self.servers.answer(NAME, dns.AAAA, code=dns.ENAME)
        self.servers.answer(NAME, dns.A, a(NAME, "192.0.2.1"))
        self.assertEqual(self.successResultOf(waiting), ("192.0.2.1",))

    def test_one_family_fails(self) -> None:
        """A family that can't be learned doesn't spoil the other, but is asked again within half a minute."""
        waiting = self.ask()
        self.servers.fail(NAME, dns.AAAA, NameServerFailure("x"))
        self.servers.answer(NAME, dns.A, a(NAME, "192.0.2.1", 3000))
        self.assertEqual(self.successResultOf(waiting), ("192.0.2.1",))
        self.clock.advance(31)
        self.assertNoResult(self.ask())

    def test_open_alias(self) -> None:
        """An alias whose end the server didn't give is followed by another question."""
        waiting = self.ask()
        self.servers.answer(NAME, dns.AAAA)
        self.servers.answer(NAME, dns.A, cname(NAME, "b.test", 5))
        self.servers.answer("b.test", dns.A, a("b.test", "192.0.2.1", 60))
        self.assertEqual(self.successResultOf(waiting), ("192.0.2.1",))
        self.clock.advance(6)
        self.assertNoResult(self.ask())

    def test_endless_aliases(self) -> None:
        """Aliases without an end are given up."""
        waiting = self.ask()
        self.servers.answer(NAME, dns.AAAA)
        name = NAME
        for turn in range(8):
            self.servers.answer(name, dns.A, cname(name, f"n{turn}.test"))
            name = f"n{turn}.test"
        self.failureResultOf(waiting, NameServerFailure)
        self.assertEqual(self.servers.asked, {})

    def test_alias_of_no_host(self) -> None:
        """An alias that leads to a number or to no host name is a failure, not an address."""
        waiting = self.ask()
        self.servers.answer(NAME, dns.AAAA)
        self.servers.answer(NAME, dns.A, cname(NAME, "127.1"))
        self.failureResultOf(waiting, NameServerFailure)

    def test_many_addresses(self) -> None:
        """Of a name with very many addresses a fair share of each family is kept."""
        waiting = self.ask()
        self.give(*(f"192.0.2.{n}" for n in range(100)), *(f"2001:db8::{n}" for n in range(1, 100)))
        addresses = self.successResultOf(waiting)
        self.assertEqual(len(addresses), 16)
        self.assertEqual(sum(":" in address for address in addresses), 8)


class FailureTests(ResolverCase):
    def test_no_such_name(self) -> None:
        """NXDOMAIN is told apart as such."""
        waiting = self.ask()
        self.deny()
        fault = self.failureResultOf(waiting, NameNotFound).value
        self.assertEqual((fault.status, fault.token), (502, "dns_nxdomain"))

    def test_no_address(self) -> None:
        """A name without any address is told apart from one that doesn't exist."""
        waiting = self.ask()
        self.deny(code=dns.OK)
        self.failureResultOf(waiting, NameWithoutAddress)

    def test_server_failure(self) -> None:
        """What the name servers could not tell is their failure, also if one family has no address."""
        waiting = self.ask()
        self.servers.answer(NAME, dns.AAAA)
        self.servers.fail(NAME, dns.A, NameServerFailure("code 2"))
        fault = self.failureResultOf(waiting, NameServerFailure).value
        self.assertEqual((fault.token, fault.detail), ("dns_servfail", "code 2"))

    def test_silence(self) -> None:
        """After five seconds in all the look-up ends as timed out, and both questions are dropped."""
        waiting = self.ask()
        self.clock.advance(4.9)
        self.assertNoResult(waiting)
        self.clock.advance(0.2)
        fault = self.failureResultOf(waiting, NameTimeout).value
        self.assertEqual((fault.status, fault.token), (504, "dns_timeout"))
        self.assertEqual(self.servers.log[2:], [f"cancelled {NAME} AAAA", f"cancelled {NAME} A"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unexpected_error(self) -> None:
        """An error of our own while asking is logged and ends as a failure of the name servers."""
        waiting = self.ask()
        for kind in (dns.AAAA, dns.A):
            self.servers.fail(NAME, kind, RuntimeError("bug"))
        self.failureResultOf(waiting, NameServerFailure)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_each_waiter_has_its_own_fault(self) -> None:
        """Those who wait together don't share one exception object."""
        first, second = self.ask(), self.ask()
        self.deny()
        self.assertIsNot(
            self.failureResultOf(first, NameNotFound).value,
            self.failureResultOf(second, NameNotFound).value,
        )


class CacheTests(ResolverCase):
    limits = CacheLimits(entries=3, shortest=2, longest=100, longest_negative=30, failure=2)

    def assertKnownFor(self, seconds: float) -> None:
        """Check how long from now on the name is known."""
        self.clock.advance(seconds - 0.1)
        try:
            known = self.resolver.resolve(NAME)
        except (NameNotFound, NameTimeout, NameServerFailure):
            known = ()
        self.assertIsInstance(known, tuple)
        self.clock.advance(0.2)
        self.assertNoResult(self.ask())

    def test_time_to_live(self) -> None:
        """An answer is believed as long as it says, both families together."""
        self.ask()
        self.give("192.0.2.1", "2001:db8::1", ttl=60)
        self.assertKnownFor(60)

    def test_shortest(self) -> None:
        """A time to live of zero is raised to the least."""
        self.ask()
        self.give("192.0.2.1", ttl=0)
        self.assertKnownFor(2)

    def test_longest(self) -> None:
        """A time to live of a week is cut."""
        self.ask()
        self.give("192.0.2.1", ttl=604800)
        self.assertKnownFor(100)

    def test_negative(self) -> None:
        """No such name is believed for the SOA's minimum."""
        self.failureResultOf(self.denied(soa(9, 3600)))
        self.assertRaises(NameNotFound, self.resolver.resolve, NAME)
        self.assertKnownFor(9)

    def test_longest_negative(self) -> None:
        """No such name is believed for half a minute at most."""
        self.failureResultOf(self.denied(soa(3600, 3600)))
        self.assertKnownFor(30)

    def test_negative_without_soa(self) -> None:
        """Without a SOA record no such name is believed for the least time only."""
        self.failureResultOf(self.denied())
        self.assertKnownFor(2)

    def test_failure(self) -> None:
        """A failure is remembered for a moment, so that dead name servers are not flooded."""
        waiting = self.ask()
        self.clock.advance(5.1)
        self.failureResultOf(waiting)
        self.assertRaises(NameTimeout, self.resolver.resolve, NAME)
        self.assertKnownFor(2)

    def test_remembered_faults_are_fresh(self) -> None:
        """Every caller gets an exception of his own from the cache."""
        self.failureResultOf(self.denied())
        faults = [self.assertRaises(NameNotFound, self.resolver.resolve, NAME) for _ in range(2)]
        self.assertIsNot(*faults)

    def test_least_recently_used_goes(self) -> None:
        """A full cache drops the name that was not asked for the longest time."""
        for name in ("a.test", "b.test", "c.test"):
            self.ask(name)
            self.give("192.0.2.1", name=name)
        self.resolver.resolve("a.test")
        self.ask("d.test")
        self.give("192.0.2.1", name="d.test")
        self.assertEqual(len(self.resolver), 3)
        self.assertEqual(self.resolver.resolve("a.test"), ("192.0.2.1",))
        self.assertNoResult(self.ask("b.test"))

    def test_forget(self) -> None:
        """A forgotten name is asked for again."""
        self.ask()
        self.give("192.0.2.1")
        self.resolver.forget()
        self.assertNoResult(self.ask())

    def denied(self, *authority: dns.RRHeader) -> Deferred[tuple[str, ...]]:
        """Resolve a name that doesn't exist."""
        waiting = self.ask()
        self.deny(authority=authority)
        return waiting


class HostsBeforeCacheTests(ResolverCase):
    def test_hosts_file_wins(self) -> None:
        """A name that the hosts file gets is taken from there although the cache still knows it."""
        path = self.mktemp()
        self.resolver = Resolver(self.clock, self.servers, Hosts([path], self.clock))
        self.ask()
        self.give("192.0.2.1")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"192.0.2.99 {NAME}\n")
        self.clock.advance(1)
        self.assertEqual(self.resolver.resolve(NAME), ("192.0.2.99",))


class CancellationTests(ResolverCase):
    def test_last_waiter(self) -> None:
        """When the last who waits is gone, the questions are dropped and nothing is left on the clock."""
        first, second = self.ask(), self.ask()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertEqual(len(self.servers.log), 2)
        second.cancel()
        self.failureResultOf(second, CancelledError)
        self.assertEqual(self.servers.log[2:], [f"cancelled {NAME} AAAA", f"cancelled {NAME} A"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_asked_again(self) -> None:
        """A name whose look-up was dropped can be asked for again."""
        self.ask().addErrback(lambda _: None).cancel()
        waiting = self.ask()
        self.give("192.0.2.1")
        self.assertEqual(self.successResultOf(waiting), ("192.0.2.1",))

    def test_others_go_on(self) -> None:
        """Who stays gets the result although others left."""
        first, second = self.ask(), self.ask()
        first.addErrback(lambda _: None).cancel()
        self.give("192.0.2.1")
        self.assertEqual(self.successResultOf(second), ("192.0.2.1",))

    def test_close(self) -> None:
        """Closing ends the look-ups that somebody waits for and those that nobody does."""
        waiting = self.ask()
        self.ask("b.test")
        self.servers.answer("b.test", dns.A, a("b.test", "192.0.2.1"))
        self.clock.advance(0.1)
        self.resolver.close()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertIn("cancelled b.test AAAA", self.servers.log)
