"""What a name server's message says about a question."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.dns_answer import (
    Addresses,
    Alias,
    NoData,
    NoName,
    answers_question,
    read_answer,
)
from tests.unit.net.dns_messages import a, aaaa, cname, message, soa


class ReadAnswerTests(SynchronousTestCase):
    def test_addresses(self) -> None:
        """All addresses of the kind asked for, each once, with the least time to live."""
        answer = read_answer(
            message(
                "a.example",
                a("a.example", "192.0.2.1", 60),
                a("A.example", "192.0.2.2", 30),
                a("a.example", "192.0.2.1", 60),
                aaaa("a.example", "2001:db8::1", 1),
            ),
            "a.example",
            dns.A,
        )
        self.assertEqual(answer, Addresses(("192.0.2.1", "192.0.2.2"), 30))

    def test_ipv6(self) -> None:
        """AAAA records become text in canonical form."""
        answer = read_answer(
            message("a.example", aaaa("a.example", "2001:DB8:0::1"), kind=dns.AAAA),
            "a.example",
            dns.AAAA,
        )
        self.assertEqual(answer, Addresses(("2001:db8::1",), 60))

    def test_alias_chain(self) -> None:
        """A chain of aliases leads to the addresses of its end, in whatever order the records come."""
        answer = read_answer(
            message(
                "a.example",
                a("c.example", "192.0.2.1", 300),
                cname("b.example", "c.example", 20),
                cname("a.example", "B.example", 40),
            ),
            "a.example",
            dns.A,
        )
        self.assertEqual(answer, Addresses(("192.0.2.1",), 20))

    def test_foreign_records(self) -> None:
        """Records of names that were not asked for are not believed."""
        answer = read_answer(
            message("a.example", a("bank.example", "192.0.2.66")), "a.example", dns.A
        )
        self.assertEqual(answer, NoData(None))

    def test_other_class(self) -> None:
        """Records of another class than Internet are not believed."""
        record = dns.RRHeader(b"a.example", dns.A, dns.CH, 60, dns.Record_A("192.0.2.1"))
        self.assertEqual(
            read_answer(message("a.example", record), "a.example", dns.A), NoData(None)
        )

    def test_open_end(self) -> None:
        """An alias whose end the server doesn't tell has to be asked for."""
        answer = read_answer(
            message("a.example", cname("a.example", "b.test", 9)), "a.example", dns.A
        )
        self.assertEqual(answer, Alias("b.test", 9))

    def test_alias_without_data(self) -> None:
        """An alias with a SOA record has no address of the kind at its end."""
        answer = read_answer(
            message("a.example", cname("a.example", "b.example"), authority=(soa(5, 10),)),
            "a.example",
            dns.A,
        )
        self.assertEqual(answer, NoData(5))

    def test_loop(self) -> None:
        """Aliases in a circle end as no data."""
        answer = read_answer(
            message("a.example", cname("a.example", "b.example"), cname("b.example", "a.example")),
            "a.example",
            dns.A,
        )
        self.assertEqual(answer, NoData(None))

    def test_long_chain(self) -> None:
        """A chain beyond any use is not followed to its end."""
        records = [cname(f"n{i}.example", f"n{i + 1}.example") for i in range(40)]
        answer = read_answer(
            message("n0.example", *records, a("n40.example", "192.0.2.1")), "n0.example", dns.A
        )
        self.assertEqual(answer, NoData(None))

    def test_no_name(self) -> None:
        """NXDOMAIN may be believed for the SOA's minimum, or for its own time to live if that is less."""
        for minimum, ttl, expected in ((5, 10, 5), (10, 5, 5)):
            answer = read_answer(
                message("a.example", code=dns.ENAME, authority=(soa(minimum, ttl),)),
                "a.example",
                dns.A,
            )
            self.assertEqual(answer, NoName(expected))
        self.assertEqual(
            read_answer(message("a.example", code=dns.ENAME), "a.example", dns.A), NoName(None)
        )

    def test_dead_alias(self) -> None:
        """An alias of a name that doesn't exist is no name."""
        answer = read_answer(
            message("a.example", cname("a.example", "b.example"), code=dns.ENAME),
            "a.example",
            dns.A,
        )
        self.assertEqual(answer, NoName(None))

    def test_time_to_live_with_the_highest_bit(self) -> None:
        """A time to live over 2^31 - 1 counts as zero."""
        answer = read_answer(
            message("a.example", a("a.example", "192.0.2.1", 2**31)), "a.example", dns.A
        )
        self.assertEqual(answer, Addresses(("192.0.2.1",), 0))


class AnswersQuestionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked = dns.Message(id=7)
        self.asked.addQuery(b"a.example", dns.A, dns.IN)

    def test_response(self) -> None:
        """The response repeats id and question, the name in any case."""
        self.assertTrue(answers_question(message("A.EXAMPLE"), self.asked))

    def test_strays(self) -> None:
        """Another id, name, kind or class, a query, or no question at all: not our response."""
        other_id, query, empty, other_class = (message("a.example") for _ in range(4))
        other_id.id = 8
        query.answer = 0
        empty.queries = []
        other_class.queries[0].cls = dns.CH
        for stray in (
            other_id,
            query,
            empty,
            other_class,
            message("b.example"),
            message("a.example", kind=dns.AAAA),
        ):
            self.assertFalse(answers_question(stray, self.asked))

    @settings(derandomize=True, deadline=None)
    @given(st.integers(0, 200), st.binary(min_size=1, max_size=8))
    def test_mangled(self, at: int, junk: bytes) -> None:
        """A mangled message that can still be read gives an answer or none, and never raises."""
        whole = message(
            "a.example", cname("a.example", "b.example"), a("b.example", "192.0.2.1")
        ).toStr()
        mangled = dns.Message()
        try:
            mangled.fromStr(whole[:at] + junk + whole[at + len(junk) :])
        except Exception:
            return
        answers_question(mangled, self.asked)
        self.assertIsInstance(
            read_answer(mangled, "a.example", dns.A), Addresses | Alias | NoData | NoName
        )
