"""What is sent to directory servers and read from them; ldap3 and pyasn1 are the judges."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ldap3.operation.bind import bind_operation, bind_response_to_dict_fast
from ldap3.operation.extended import extended_operation
from ldap3.operation.search import (
    search_operation,
    search_result_entry_response_to_dict_fast,
)
from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp
from ldap3.strategy.base import BaseStrategy
from ldap3.utils.asn1 import decode_message_fast, decoder, encode, ldap_result_to_dict_fast
from twisted.trial.unittest import SynchronousTestCase

from gateway_auth.bind_results import PASSWORD_POLICY
from gateway_auth.ldap_ber import BadMessage, element, integer, message_size
from gateway_auth.ldap_messages import (
    BIND_ANSWER,
    EXTENDED_ANSWER,
    MAX_NUMBER,
    MAX_VALUES,
    SEARCH_DONE,
    Entry,
    Reference,
    Result,
    bind_request,
    message,
    read_message,
    search_request,
    start_tls_request,
    unbind_request,
)

_NAMES = st.text("abcdefghij-;", min_size=1, max_size=8)
_VALUES = st.lists(st.binary(max_size=300), max_size=4)
_TEXTS = st.text(max_size=40).filter(lambda text: text.isprintable())
_NUMBERS = st.integers(1, MAX_NUMBER)


def by_ldap3(number: int, kind: str, operation: Any) -> bytes:
    """Write a message as ldap3 does."""
    made = LDAPMessage()
    made["messageID"] = MessageID(number)
    made["protocolOp"] = ProtocolOp().setComponentByName(kind, operation)
    return bytes(encode(made))


def octets(value: bytes | str) -> bytes:
    """Write a string."""
    return element(0x04, value.encode() if isinstance(value, str) else value)


def entry(number: int, dn: str, attributes: Mapping[str, Sequence[bytes]]) -> bytes:
    """Write an entry as a server does."""
    parts = [
        element(0x30, octets(name) + element(0x31, b"".join(map(octets, values))))
        for name, values in attributes.items()
    ]
    return message(number, element(0x64, octets(dn) + element(0x30, b"".join(parts))))


def result(
    number: int, kind: int, code: int, text: str = "", more: bytes = b"", after: bytes = b""
) -> bytes:
    """Write how something ended; C{more}: after the text; C{after}: after it all."""
    told = integer(code, 0x0A) + octets("dc=x") + octets(text) + more
    return message(number, element(kind, told) + after)


def control(name: str, *parts: bytes) -> bytes:
    """Write the controls of a message, of which there is one."""
    return element(0xA0, element(0x30, octets(name) + b"".join(parts)))


def widened(data: bytes) -> bytes:
    """Write all lengths with four bytes, as Active Directory does."""
    made, at = b"", 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size >= 0x80:
            count = size - 0x80
            size = int.from_bytes(data[at : at + count], "big")
            at += count
        content = data[at : at + size]
        if tag & 0x20:
            content = widened(content)
        made += bytes((tag, 0x84)) + len(content).to_bytes(4, "big") + content
        at += size
    return made


POLICY = b"\x30\x03\x81\x01\x01"
#: One of each kind, as servers send them.
SAID = (
    entry(2, "uid=alice,dc=x", {"uid": [b"alice"], "memberOf": [b"cn=a", b"cn=b"], "none": []}),
    message(3, element(0x73, octets("ldap://other.example.com/dc=x"))),
    result(4, SEARCH_DONE, 0),
    result(5, BIND_ANSWER, 49, "data 52e", after=control(PASSWORD_POLICY, octets(POLICY))),
    result(6, BIND_ANSWER, 10, more=element(0xA3, octets("ldap://x"))),
    result(0, EXTENDED_ANSWER, 52, more=element(0x8A, b"1.3.6.1.4.1.1466.20036")),
)


class RequestTests(SynchronousTestCase):
    """What is sent."""

    @settings(deadline=None, derandomize=True)
    @given(_NUMBERS, st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
    def test_bind(self, number: int, name: str, password: str) -> None:
        """A bind is what ldap3 writes; name and password go as they are, of any length."""
        secret = password.encode()
        theirs = bind_operation(3, "SIMPLE", name, secret)
        # Of the name ldap3 takes the spaces and controls away here.
        theirs["name"] = name
        self.assertEqual(
            message(number, bind_request(name, secret)), by_ldap3(number, "bindRequest", theirs)
        )

    def test_bind_with_control(self) -> None:
        """The control of the password policy is asked for, and may be passed over."""
        made = message(1, bind_request("cn=x", b"secret", (PASSWORD_POLICY,)))
        read, rest = decoder.decode(made, asn1Spec=LDAPMessage())
        self.assertEqual(rest, b"")
        (asked,) = read["controls"]
        self.assertEqual(str(asked["controlType"]), PASSWORD_POLICY)
        self.assertFalse(bool(asked["criticality"]))
        self.assertFalse(asked["controlValue"].isValue and bytes(asked["controlValue"]))

    @settings(deadline=None, derandomize=True)
    @given(
        *(_NUMBERS, st.text(max_size=150), st.sampled_from(("base", "subtree"))),
        *(st.lists(st.sampled_from(("uid", "memberOf", "cn")), max_size=3, unique=True),),
        st.integers(0, 100_000),
    )
    def test_search(
        self, number: int, base: str, scope: Any, attributes: list[str], limit: int
    ) -> None:
        """A search is what ldap3 writes."""
        filter = b"\xa3\x06\x04\x01a\x04\x01b"
        theirs = search_operation(
            base,
            "(a=b)",
            scope.upper(),
            "ALWAYS",
            attributes or ["1.1"],
            limit,
            0,
            False,
            False,
            False,
        )
        self.assertEqual(
            message(number, search_request(base, scope, filter, attributes, limit)),
            by_ldap3(number, "searchRequest", theirs),
        )

    def test_start_tls_and_unbind(self) -> None:
        """The rest is what ldap3 writes, too."""
        theirs = extended_operation("1.3.6.1.4.1.1466.20037", None)
        self.assertEqual(message(1, start_tls_request()), by_ldap3(1, "extendedReq", theirs))
        self.assertEqual(message(127, unbind_request()), b"\x30\x05\x02\x01\x7f\x42\x00")


class ReadTests(SynchronousTestCase):
    """What is read."""

    def test_kinds(self) -> None:
        """Entries, references and results; what of a result is not needed is passed over."""
        self.assertEqual(
            [read_message(one) for one in SAID],
            [
                (
                    2,
                    Entry(
                        "uid=alice,dc=x",
                        {"uid": (b"alice",), "memberof": (b"cn=a", b"cn=b"), "none": ()},
                    ),
                ),
                (3, Reference()),
                (4, Result(SEARCH_DONE, 0)),
                (5, Result(BIND_ANSWER, 49, "data 52e", {PASSWORD_POLICY: POLICY})),
                (6, Result(BIND_ANSWER, 10)),
                (0, Result(EXTENDED_ANSWER, 52)),
            ],
        )

    def test_plain_success(self) -> None:
        """Success alone, which most answers are, is read as by every other way of writing it; one bit more and it is none."""
        for number in (1, 127, 255, 70_000, MAX_NUMBER):
            for kind in (BIND_ANSWER, SEARCH_DONE, EXTENDED_ANSWER):
                said = integer(0, 0x0A) + octets("") + octets("")
                plain = message(number, element(kind, said))
                self.assertEqual(read_message(plain), (number, Result(kind, 0)))
                self.assertEqual(read_message(widened(plain)), read_message(plain))
                for at in range(len(plain)):
                    other = plain[:at] + bytes((plain[at] ^ 0x80,)) + plain[at + 1 :]
                    with contextlib.suppress(BadMessage):
                        self.assertNotEqual(read_message(other), (number, Result(kind, 0)))

    def test_wide_lengths(self) -> None:
        """Lengths of four bytes say the same, as Active Directory writes them."""
        for one in SAID:
            wide = widened(one)
            self.assertEqual(message_size(wide, 1000), len(wide))
            self.assertEqual(read_message(wide), read_message(one))

    def test_open_ends(self) -> None:
        """What is not known at the end of a sequence is passed over (RFC 4511 section 4)."""
        more = element(0x85, b"?") + element(0xA9, b"not even an element")
        made = result(1, BIND_ANSWER, 0, more=more, after=more + control("1.2", octets("v")))
        self.assertEqual(read_message(made), (1, Result(BIND_ANSWER, 0, "", {"1.2": b"v"})))
        critical = control("1.2", element(0x01, b"\xff"), octets("v"), more)
        made = result(1, BIND_ANSWER, 0, after=critical)
        self.assertEqual(read_message(made)[1], Result(BIND_ANSWER, 0, "", {"1.2": b"v"}))

    def test_text_in_another_alphabet(self) -> None:
        """A server's text is for people, so it may be written oddly; a name may not."""
        made = message(1, element(BIND_ANSWER, integer(0, 0x0A) + octets("") + octets(b"\xff")))
        self.assertEqual(read_message(made)[1], Result(BIND_ANSWER, 0, "\ufffd"))
        with self.assertRaises(BadMessage):
            read_message(message(1, element(0x64, octets(b"\xff") + element(0x30, b""))))

    def test_cut_off(self) -> None:
        """Of no message the beginning alone is taken for one."""
        for one in (*SAID, *map(widened, SAID)):
            for size in range(len(one)):
                known = message_size(one[:size], 1000)
                self.assertIn(known, (0, len(one)))
                with self.assertRaises(BadMessage):
                    read_message(one[:size])
            with self.assertRaises(BadMessage):
                read_message(one + b"\0")

    def test_cut_off_inside(self) -> None:
        """Nor is a message whose length is right, but whose inside is cut off."""
        for one in SAID:
            inside = one[2:]
            for size in range(3, len(inside)):
                with self.assertRaises(BadMessage, msg=repr(inside[:size])):
                    self.shortened(inside[:size])

    def shortened(self, inside: bytes) -> None:
        """Read a message with this inside; controls that are gone altogether are no fault."""
        read_message(element(0x30, inside))
        _, begin = inside[0], 3
        if len(inside) == begin + 2 + inside[begin + 1]:
            raise BadMessage("all but the controls is there")

    def test_refused(self) -> None:
        """Indefinite, too long and overlapping lengths, other tags, numbers and kinds are refused."""
        told = integer(0, 0x0A) + octets("") + octets("")
        for made in (
            b"\x30\x80\x02\x01\x01\x65\x07" + told + b"\0\0",
            b"\x30\x85\x00\x00\x00\x00\x0c\x02\x01\x01\x65\x07" + told,
            b"\x30\xff" + b"\0" * 127,
            b"\x31" + result(1, SEARCH_DONE, 0)[1:],
            # Strings in pieces.
            message(1, element(BIND_ANSWER, integer(0, 0x0A) + element(0x24, octets("")) * 2)),
            # Long tags.
            message(1, b"\x7f\x21" + element(0x30, told)),
            element(0x30, b"\x02\x01\xff" + element(SEARCH_DONE, told)),
            element(0x30, b"\x02\x05\x01\0\0\0\0" + element(SEARCH_DONE, told)),
            element(0x30, b"\x02\x00" + element(SEARCH_DONE, told)),
            element(0x30, b"\x0a\x01\x01" + element(SEARCH_DONE, told)),
            message(1, element(SEARCH_DONE, told + b"\x04\x05a")),
            message(1, element(SEARCH_DONE, told) + b"\xa0\x02\x30"),
            message(1, element(0x79, told)),
            message(1, element(0x60, told)),
            message(1, b""),
        ):
            with self.assertRaises(BadMessage, msg=repr(made)):
                read_message(made)

    def test_bounds(self) -> None:
        """No more values than the bound are taken, and no longer message is begun to be read."""
        read_message(entry(1, "", {"a": [b""] * (MAX_VALUES - 1)}))
        for attributes in (
            {"a": [b""] * MAX_VALUES},
            {str(number): [b""] for number in range(MAX_VALUES // 2 + 1)},
        ):
            with self.assertRaises(BadMessage):
                read_message(entry(1, "", attributes))
        twice = element(0x30, octets("a") + element(0x31, octets("x")))
        made = message(1, element(0x64, octets("") + element(0x30, twice * 2)))
        self.assertEqual(read_message(made)[1], Entry("", {"a": (b"x", b"x")}))
        self.assertEqual(message_size(b"\x30\x82\x03\xe4", 1000), 1000)
        with self.assertRaises(BadMessage):
            message_size(b"\x30\x82\x03\xe5", 1000)

    @settings(deadline=None, derandomize=True)
    @given(_NUMBERS, _TEXTS, st.dictionaries(_NAMES, _VALUES, max_size=5))
    def test_entries_like_ldap3(
        self, number: int, dn: str, attributes: dict[str, list[bytes]]
    ) -> None:
        """An entry is read as ldap3 reads it."""
        made = entry(number, dn, attributes)
        theirs = decode_message_fast(made)
        read = search_result_entry_response_to_dict_fast(theirs["payload"], None, None, False)
        self.assertEqual(
            read_message(made),
            (
                theirs["messageID"],
                Entry(read["dn"], {k: tuple(v or ()) for k, v in read["raw_attributes"].items()}),
            ),
        )

    @settings(deadline=None, derandomize=True)
    @given(_NUMBERS, st.sampled_from((0, 1, 10, 32, 48, 49, 53, 80)), _TEXTS, st.binary())
    def test_results_like_ldap3(self, number: int, code: int, text: str, value: bytes) -> None:
        """A result is read as ldap3 reads it, with its controls."""
        after = control("1.2.3", octets(value))
        for kind, reads in (
            (BIND_ANSWER, bind_response_to_dict_fast),
            (SEARCH_DONE, ldap_result_to_dict_fast),
        ):
            made = result(number, kind, code, text, after=after)
            theirs = decode_message_fast(made)
            read = reads(theirs["payload"])
            (known,) = (BaseStrategy.decode_control_fast(one[3]) for one in theirs["controls"])
            self.assertEqual(
                read_message(made),
                (
                    theirs["messageID"],
                    Result(kind, read["result"], read["message"], {known[0]: known[1]["value"]}),
                ),
            )

    @settings(deadline=None, derandomize=True, max_examples=500)
    @given(st.sampled_from(SAID), st.data())
    def test_anything(self, one: bytes, data: st.DataObject) -> None:
        """Whatever comes is read or refused, nothing else; what is read had its length and its number."""
        made = bytearray(one)
        for _ in range(data.draw(st.integers(1, 4))):
            made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
        try:
            number, _ = read_message(bytes(made))
        except BadMessage:
            return
        self.assertGreaterEqual(number, 0)
        self.assertEqual(message_size(bytes(made), 1000), len(made))

    @settings(deadline=None, derandomize=True)
    @given(st.binary(max_size=100))
    def test_noise(self, noise: bytes) -> None:
        """Noise is refused, or not yet known to be none."""
        for function in (read_message, lambda one: message_size(one, 1000)):
            try:
                function(noise)
            except BadMessage:
                continue
