"""The lines of the access log: what they say, and that nobody can forge one."""

from __future__ import annotations

import json
import re
from functools import cache

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.errors import ClientError, GatewayError, TransactionError, UpstreamError
from gateway.api.messages import Response
from gateway.api.transaction import (
    Aborted,
    ClientTls,
    Delivered,
    Failed,
    Intercepted,
    Refused,
    Transaction,
    Tunnelled,
)
from gateway.api.verdicts import Allow, Block, Respond
from gateway.record.formats import compile_format
from gateway.record.outcomes import OUTCOMES
from gateway.record.schema import Line
from tests.effort import examples
from tests.unit.record.builders import ended

SQUID = "custom %ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt"
COMBINED = 'custom %h %l %u %t "%r" %03>s %b "%{Referer}i" "%{User-Agent}i"'
EVERYTHING = (
    "custom %ssl::>sni %ssl::bump_mode %ssl::>negotiated_version %ssl::>negotiated_cipher "
    "%ssl::<negotiated_version %ssl::<negotiated_cipher %tls_decision %tls_why %tls_alpn %tls_resumed "
    '"%ssl::>sni" %id '
    "%peer %listener %mode %site %>p %tg %dt %ct %<pt %>st %rd %rP %rp %rv %upstream %route "
    '%outcome %reason %detail "%detail" %{Content-Type}<h %{score}note %B %D %T %U %q %H %v %%'
)
FORMATS = ("squid", "combined", "json", SQUID, COMBINED, EVERYTHING)

#: Compiling a format costs more than a hundred lines of it.
compiled = cache(compile_format)

HOSTILE = b'\r\nforged "line" \\ \x00\x1b[2J\x7f\x85\xff\xe2\x80\xa8'

raw = st.binary(max_size=40) | st.just(HOSTILE)
value = raw.map(lambda content: content.replace(b"\n", b""))
text = st.text(max_size=20) | st.just(HOSTILE.decode("latin-1") + "\u2028\ud800")
verdicts = st.one_of(
    st.builds(Block, text, text, page=text), st.builds(Allow, text), st.just(Respond(Response(302)))
)
faults: tuple[type[TransactionError], ...] = (ClientError, UpstreamError, GatewayError)
errors = st.sampled_from(faults).flatmap(
    lambda kind: st.builds(kind, text, status=st.sampled_from((400, 403, 502)), page=text)
)
outcomes = st.one_of(
    st.none(),
    st.just(Delivered()),
    st.just(Tunnelled()),
    st.just(Intercepted()),
    st.builds(Refused, verdicts),
    st.builds(Failed, errors),
    st.builds(Aborted, text, text),
)
tls = st.none() | st.builds(
    ClientTls,
    server_name=text,
    version=st.sampled_from(("", "TLSv1.2", "TLSv1.3")) | text,
    cipher=text,
    alpn=text,
    resumed=st.booleans(),
    decision=st.sampled_from(("", "terminate", "intercept", "tunnel", "block")) | text,
    why=text,
    upstream_version=text,
    upstream_cipher=text,
)


names = st.sampled_from((b"User-Agent:", b"REFERER: ", b"X-Other:", b"Cookie: "))
# Made once, all of them: Hypothesis checks each that it sees first, which takes longer than to draw from it.
parts = st.fixed_dictionaries(
    {
        "method": raw,
        "scheme": st.sampled_from(("", "http", "https")),
        "host": st.sampled_from(("", "www.example.com", "2001:db8::1")) | text,
        "port": st.integers(0, 65535),
        "target": raw | st.sampled_from((b"*", b"/a?b=c", b"//u:p@h/?x")),
        "fields": st.lists(st.builds(bytes.__add__, names, value), max_size=4).map(tuple),
        "mode": st.sampled_from(("forward", "reverse", "transparent")),
        "address": st.sampled_from(("192.0.2.7", "2001:db8::7")) | text,
        "status": st.integers(0, 999),
        "response": st.none() | value.map(lambda content: (b"Content-type:" + content,)),
        "outcome": outcomes,
        "user": st.none() | text,
        "upstream": st.sampled_from(("", "203.0.113.5:80", "[2001:db8::5]:80")) | text,
        "route": st.sampled_from(("direct", "parent", "origin", "store", "none")) | text,
        "seconds": st.floats(-5, 1e6),
    }
)
numbers = st.integers(0, 2**40)
notes = st.dictionaries(text | st.just("score"), text, max_size=3)


@st.composite
def transactions(draw: st.DrawFn) -> Transaction:
    """Give any transaction, as hostile as its fields can hold."""
    txn = ended(**draw(parts))
    txn.id = draw(text)
    txn.client.tls = draw(tls)
    txn.site = draw(text)
    txn.bytes_out = draw(numbers)
    txn.notes.update(draw(notes))
    return txn


class AnyTransactionTests(SynchronousTestCase):
    """Whatever a transaction holds, its line can be read."""

    @settings(derandomize=True, deadline=None, max_examples=examples(100))
    @given(transactions(), st.sampled_from(((), ("query",), ("query", "user"))))
    @example(ended(target=HOSTILE, user="a b%", method=b""), ())
    def test_one_line_of_printable_ascii(self, txn: Transaction, mask: tuple[str, ...]) -> None:
        """Every format gives exactly one line, of printable ASCII alone."""
        for text in FORMATS:
            line = compiled(text, mask)(txn)
            self.assertRegex(line, re.compile(r"\A[\x20-\x7e]+\n\Z"), text)

    @settings(derandomize=True, deadline=None, max_examples=examples(100))
    @given(transactions())
    def test_squid_has_ten_columns(self, txn: Transaction) -> None:
        """The squid format has ten columns, of the shapes that its readers expect."""
        line = compiled("squid")(txn)
        self.assertEqual(len(line.split()), 10, line)
        # One space between columns, but before the padded second one.
        moment, rest = line.rstrip("\n").split(" ", 1)
        self.assertRegex(moment, r"\A-?\d+\.\d{3}\Z")
        self.assertRegex(rest, r"\A *\d+ \S+ [A-Z_]+/\d{3} \d+ \S+ \S+ \S+ [A-Z_]+/\S+ \S+\Z")

    @settings(derandomize=True, deadline=None, max_examples=examples(100))
    @given(transactions())
    def test_combined_can_be_taken_apart(self, txn: Transaction) -> None:
        """The combined format has nine parts, and no quote ends one early."""
        quoted = r'"(?:[^"\\]|\\["\\trn]|\\x[0-9a-f]{2})*"'
        self.assertRegex(
            compiled("combined")(txn),
            rf"\A\S+ - \S+ \[[^]]+\] {quoted} \d{{3}} (?:\d+|-) {quoted} {quoted}\n\Z",
        )

    @settings(derandomize=True, deadline=None, max_examples=examples(100))
    @given(transactions())
    def test_json_is_as_documented(self, txn: Transaction) -> None:
        """Each JSON line has every documented key, no other, and the documented types."""
        line = compiled("json")(txn)
        record = msgspec.json.decode(line, type=Line)
        self.assertEqual(
            set(json.loads(line)), {field.name for field in msgspec.structs.fields(Line)}
        )
        self.assertEqual((record.status, record.bytes_out), (txn.status, txn.bytes_out))
        self.assertIn(record.outcome, OUTCOMES)

    @settings(derandomize=True, deadline=None, max_examples=examples(100))
    @given(transactions(), st.sampled_from(((), ("query", "user"))))
    def test_fixed_formats_are_their_format_strings(
        self, txn: Transaction, mask: tuple[str, ...]
    ) -> None:
        """The two fast formats write what their documented format strings write."""
        for fast, slow in (("squid", SQUID), ("combined", COMBINED)):
            self.assertEqual(compiled(fast, mask, b"key")(txn), compiled(slow, mask, b"key")(txn))


class SquidTests(SynchronousTestCase):
    """The squid format, held against lines of Squid 5.7 for the same traffic."""

    def columns(self, txn: Transaction) -> tuple[str, str, str, str]:
        """Give result, URL, hierarchy and media type."""
        parts = compile_format("squid")(txn).split()
        return parts[3], parts[6], parts[8], parts[9]

    def test_delivered(self) -> None:
        """A fetched page, to the byte; the time is that of the end."""
        self.assertEqual(
            compile_format("squid")(ended(user="alice")),
            "1795299264.495      7 192.0.2.7 TCP_MISS/200 1292 GET http://www.example.com/a.html alice "
            "HIER_DIRECT/203.0.113.5 text/html\n",
        )

    def test_long_duration_widens_its_column(self) -> None:
        """Six digits are the least, not the most."""
        self.assertIn(" 12345678 192", compile_format("squid")(ended(seconds=12345.6785)))
        self.assertIn(".995   1507 192", compile_format("squid")(ended(seconds=1.5075)))

    def test_from_the_cache(self) -> None:
        """What is stored is a hit, also one that a client has not waited for; what was validated was asked for."""
        for outcome, code in (
            (Delivered(), "TCP_HIT/200"),
            (Aborted("client"), "TCP_HIT_ABORTED/200"),
        ):
            txn = ended(outcome=outcome, upstream="", route="store")
            self.assertEqual(self.columns(txn)[0::2], (code, "HIER_NONE/-"))
        self.assertEqual(self.columns(ended(route="origin"))[0], "TCP_MISS/200")

    def test_moment(self) -> None:
        """The moment is cut off after the milliseconds, as Squid does, also where lines come out of order."""
        make = compile_format("squid")
        for seconds, moment in (
            (0.0005, "264.488"),
            (0.5116, "264.999"),
            (0.5136, "265.001"),
            (0.0015, "264.489"),
        ):
            self.assertIn(f"1795299{moment} ", make(ended(seconds=seconds)))

    def test_tunnel(self) -> None:
        """A tunnel has host and port for its URL and no media type."""
        txn = ended(
            method=b"CONNECT", scheme="", port=443, target=b"", response=None, outcome=Tunnelled()
        )
        self.assertEqual(
            self.columns(txn),
            ("TCP_TUNNEL/200", "www.example.com:443", "HIER_DIRECT/203.0.113.5", "-"),
        )

    def test_broken_tunnel(self) -> None:
        """A tunnel that a side broke off is still told as a tunnel."""
        txn = ended(method=b"CONNECT", scheme="", port=443, outcome=Aborted("client"))
        self.assertEqual(self.columns(txn)[0], "TCP_TUNNEL_ABORTED/200")

    def test_intercepted(self) -> None:
        """A CONNECT that is decrypted is neither a hit nor a miss, as in Squid; where it went is told."""
        txn = ended(
            method=b"CONNECT", scheme="", port=443, target=b"", response=None, outcome=Intercepted()
        )
        self.assertEqual(
            self.columns(txn),
            ("NONE_NONE/200", "www.example.com:443", "HIER_DIRECT/203.0.113.5", "-"),
        )

    def test_broken_off_before_it_was_decrypted(self) -> None:
        """A CONNECT that ends in the handshake was no tunnel; one that was to pass unread was."""
        for decision, result in (
            ("intercept", "NONE_NONE_ABORTED/200"),
            ("block", "NONE_NONE_ABORTED/200"),
            ("tunnel", "TCP_TUNNEL_ABORTED/200"),
            # A proxy that is reached by TLS: the tunnel is another one.
            ("terminate", "TCP_TUNNEL_ABORTED/200"),
        ):
            txn = ended(method=b"CONNECT", scheme="", port=443, outcome=Aborted("client"))
            txn.client.tls = ClientTls(decision=decision)
            self.assertEqual(self.columns(txn)[0], result, decision)

    def test_upgraded_within_tls(self) -> None:
        """A connection that was upgraded on a decrypted one is a tunnel when it breaks."""
        txn = ended(scheme="https", port=443, status=101, outcome=Aborted("client"))
        txn.client.tls = ClientTls(decision="intercept")
        self.assertEqual(self.columns(txn)[0], "TCP_TUNNEL_ABORTED/101")

    def test_refused_before_and_after(self) -> None:
        """A refusal names whether an upstream had been asked."""
        before = ended(status=403, outcome=Refused(Block("no")), upstream="")
        after = ended(status=403, outcome=Refused(Block("no")))
        self.assertEqual(self.columns(before)[0::2], ("TCP_DENIED/403", "HIER_NONE/-"))
        self.assertEqual(
            self.columns(after)[0::2], ("TCP_DENIED_REPLY/403", "HIER_DIRECT/203.0.113.5")
        )

    def test_error_that_refuses(self) -> None:
        """An upload over its limit and a forbidden destination are refusals too."""
        for status in (403, 413):
            txn = ended(
                status=status,
                outcome=Failed(ClientError(status=status)),
                upstream="",
                response=None,
            )
            self.assertEqual(self.columns(txn)[0], f"TCP_DENIED/{status}")

    def test_plugin_answers(self) -> None:
        """A redirect, a challenge and another answer of a plugin's have codes of their own."""
        codes = {302: "TCP_REDIRECT/302", 407: "TCP_DENIED/407", 200: "NONE_NONE/200"}
        for status, code in codes.items():
            txn = ended(status=status, outcome=Refused(Respond(Response(status))), upstream="")
            self.assertEqual(self.columns(txn)[0], code)

    def test_bad_request(self) -> None:
        """What could not be read at all is written as Squid writes it."""
        txn = ended(
            method=b"", scheme="", host="", port=0, target=b"", status=400, upstream="",
            outcome=Failed(ClientError()), response=None,
        )  # fmt: skip
        self.assertEqual(
            self.columns(txn), ("NONE_NONE/400", "error:invalid-request", "HIER_NONE/-", "-")
        )

    def test_failed_upstream(self) -> None:
        """A name that does not resolve went nowhere; a refused connection went to an address."""
        unresolved = ended(status=502, outcome=Failed(UpstreamError()), upstream="")
        refused = ended(status=502, outcome=Failed(UpstreamError()))
        self.assertEqual(self.columns(unresolved)[0::2], ("TCP_MISS/502", "HIER_NONE/-"))
        self.assertEqual(self.columns(refused)[0::2], ("TCP_MISS/502", "HIER_DIRECT/203.0.113.5"))

    def test_client_gone_before_a_status(self) -> None:
        """A client that went away before an answer has status 000."""
        txn = ended(status=0, outcome=Aborted("client"), response=None)
        self.assertEqual(self.columns(txn)[0], "TCP_MISS_ABORTED/000")

    def test_hierarchy(self) -> None:
        """Mode and route tell where a request went; an IPv6 address stands without brackets."""
        cases = {
            ("transparent", "direct"): "ORIGINAL_DST",
            ("forward", "parent"): "FIRSTUP_PARENT",
            ("reverse", "origin"): "FIRSTUP_PARENT",
        }
        for (mode, route), code in cases.items():
            txn = ended(mode=mode, route=route, upstream="[2001:db8::5]:3128")
            self.assertEqual(self.columns(txn)[2], f"{code}/2001:db8::5")

    def test_urls(self) -> None:
        """A port is written unless it is the scheme's own; an asterisk leaves only the authority."""
        cases = {
            "http://www.example.com/a.html": ended(),
            "http://www.example.com:443/a.html": ended(port=443),
            "https://www.example.com/a.html": ended(scheme="https", port=443),
            "http://[2001:db8::1]:8080/a.html": ended(host="2001:db8::1", port=8080),
            "http://www.example.com": ended(method=b"OPTIONS", target=b"*"),
        }
        for url, txn in cases.items():
            self.assertEqual(self.columns(txn)[1], url)


class CombinedTests(SynchronousTestCase):
    """The combined format of web servers."""

    def test_reverse(self) -> None:
        """A line to the byte: the time is the request's, the size is that of the content."""
        txn = ended(
            mode="reverse",
            route="origin",
            target=b"/a?x=1",
            fields=(b"Host: a", b"user-agent: curl/8"),
        )
        self.assertEqual(
            compile_format("combined")(txn),
            '192.0.2.7 - - [21/Nov/2026:22:14:24 +0000] "GET /a?x=1 HTTP/1.1" 200 1024 "-" "curl/8"\n',
        )

    def test_forward(self) -> None:
        """The request line of a forwarded request has the whole URL."""
        self.assertIn(
            '"GET http://www.example.com/a.html HTTP/1.1"', compile_format("combined")(ended())
        )

    def test_nothing_sent(self) -> None:
        """No content is a dash."""
        txn = ended()
        txn.bytes_out = txn.head_out
        self.assertIn('HTTP/1.1" 200 - "-"', compile_format("combined")(txn))

    def test_injection(self) -> None:
        """Quotes, backslashes, controls and bytes over ASCII come out escaped."""
        txn = ended(fields=(b'User-Agent: a"b\\c\td\x1b\xff\r',), target=b'/\r\n\xe9 "')
        line = compile_format("combined")(txn)
        self.assertTrue(line.endswith(r'"a\"b\\c\td\x1b\xff\r"' + "\n"), line)
        self.assertIn("GET http://www.example.com/%0D%0A%E9%20%22 HTTP/1.1", line)


class JsonTests(SynchronousTestCase):
    """The JSON format."""

    def read(self, txn: Transaction, mask: tuple[str, ...] = ()) -> Line:
        """Make a line and read it."""
        return msgspec.json.decode(compile_format("json", mask)(txn), type=Line)

    def test_delivered(self) -> None:
        """What is known is there, and times are milliseconds."""
        txn = ended(
            user="alice",
            seconds=0.016,
            fields=(b"User-Agent: curl/8", b"Referer: http://r.example/"),
        )
        txn.notes["score"] = "71"
        line = self.read(txn)
        self.assertEqual(line.time, "2026-11-21T22:14:24.488Z")
        self.assertEqual((line.client, line.client_port, line.user), ("192.0.2.7", 40001, "alice"))
        self.assertEqual((line.method, line.url), ("GET", "http://www.example.com/a.html"))
        self.assertEqual((line.status, line.bytes_in, line.bytes_out), (200, 3, 1292))
        times = line.timings
        self.assertEqual(
            (times.resolve, times.connect, times.first_byte, times.total), (2.0, 4.0, 8.0, 16.0)
        )
        self.assertEqual(
            (line.duration, line.upstream, line.route), (16.0, "203.0.113.5:80", "direct")
        )
        self.assertEqual((line.outcome, line.reason, line.detail), ("delivered", None, None))
        self.assertEqual(
            (line.media_type, line.referer, line.user_agent, line.notes),
            ("text/html", "http://r.example/", "curl/8", {"score": "71"}),
        )

    def test_in_one_piece(self) -> None:
        """No line has so many pieces that CPython makes a list of them before it joins them."""
        for name in ("squid", "combined", "json"):
            self.assertNotIn("join", compile_format(name).__code__.co_names, name)

    def test_half_a_character(self) -> None:
        """Half of a surrogate pair does not make a line that JSON readers refuse."""
        self.assertEqual(self.read(ended(user="a", outcome=Aborted("x", "\ud800"))).detail, "?")

    def test_absent(self) -> None:
        """What is not known is null, also times that were never reached."""
        txn = ended(response=None, upstream="")
        txn.timings.resolved = txn.timings.connected = txn.timings.first_byte = 0.0
        line = self.read(txn)
        self.assertEqual(
            (line.user, line.site, line.upstream, line.media_type, line.referer, line.user_agent),
            (None,) * 6,
        )
        times = line.timings
        self.assertEqual((times.resolve, times.connect, times.first_byte), (None, None, None))

    def test_reasons(self) -> None:
        """Every end but a good one says why, by token and by sentence."""
        cases = (
            (Refused(Block("It is listed.", "malware")), "refused", "malware", "It is listed."),
            (Refused(Block("No.")), "refused", "blocked", "No."),
            (Refused(Respond(Response(302))), "refused", "respond", None),
            (Failed(UpstreamError("Refused.", page="connect_refused")), "failed", "connect_refused", "Refused."),
            (Aborted("client", "reset"), "aborted", "client", "reset"),
            (Tunnelled(), "tunnelled", None, None),
            (Intercepted(), "intercepted", None, None),
            (None, "unknown", None, None),
        )  # fmt: skip
        for outcome, name, token, sentence in cases:
            line = self.read(ended(outcome=outcome))
            self.assertEqual((line.outcome, line.reason, line.detail), (name, token, sentence))

    def test_tls(self) -> None:
        """The TLS of the connection is an object of its own, null without."""
        txn = ended(scheme="https", port=443)
        self.assertIsNone(self.read(txn).tls)
        txn.client.tls = ClientTls(
            server_name="www.example.com", version="TLSv1.3", decision="terminate"
        )
        tls = self.read(txn).tls
        assert tls is not None
        self.assertEqual(
            (tls.server_name, tls.version, tls.cipher, tls.resumed, tls.decision, tls.why),
            ("www.example.com", "TLSv1.3", None, False, "terminate", None),
        )

    def test_no_character_goes_raw(self) -> None:
        """Bytes of a field come back as the characters of their numbers."""
        line = self.read(ended(fields=(b"User-Agent: " + HOSTILE.replace(b"\n", b""),)))
        self.assertEqual(
            line.user_agent, HOSTILE.replace(b"\n", b"").decode("latin-1").strip(" \t")
        )


class TlsDirectiveTests(SynchronousTestCase):
    """What a format string may say of TLS."""

    FORMAT = (
        "custom %ssl::>sni %ssl::bump_mode %ssl::>negotiated_version %ssl::>negotiated_cipher "
        "%ssl::<negotiated_version %ssl::<negotiated_cipher %tls_decision %tls_why %tls_alpn %tls_resumed"
    )

    def test_without(self) -> None:
        """Without TLS there is nothing to say."""
        self.assertEqual(compile_format(self.FORMAT)(ended()), " ".join("-" * 10) + "\n")

    def test_intercepted(self) -> None:
        """Each says its part, Squid's in Squid's words."""
        txn = ended()
        txn.client.tls = ClientTls(
            server_name="www.example.com",
            version="TLSv1.3",
            cipher="TLS_AES_128_GCM_SHA256",
            alpn="http/1.1",
            resumed=True,
            decision="intercept",
            why="decrypt_all",
            upstream_version="TLSv1.2",
            upstream_cipher="AES128-SHA",
        )
        self.assertEqual(
            compile_format(self.FORMAT)(txn),
            "www.example.com bump TLS/1.3 TLS_AES_128_GCM_SHA256 TLS/1.2 AES128-SHA "
            "intercept decrypt_all http/1.1 1\n",
        )

    def test_claims_are_escaped(self) -> None:
        """A name that a client made up forges no column and no line."""
        txn = ended()
        txn.client.tls = ClientTls(server_name='a b"\n.example', alpn="h\xff 2")
        line = compile_format('custom %ssl::>sni "%ssl::>sni" %tls_alpn|')(txn)
        self.assertEqual(line, 'a%20b%22%0A.example "a%20b%22%0A.example" h%C3%BF%202|\n')


class MaskTests(SynchronousTestCase):
    """What may not get into the log."""

    def test_query(self) -> None:
        """A masked query is cut after its question mark, in the URL and in fields that hold one."""
        txn = ended(
            target=b"/a?token=secret",
            fields=(b"Referer: http://r.example/?session=secret", b"Destination: /b?secret"),
            response=(b"Location: /c?secret",),
        )
        custom = "custom %ru %rp %q %U %r %{Referer}>h %{destination}>h %{Location}<h"
        for text in (*FORMATS, custom):
            line = compile_format(text, ("query",))(txn)
            self.assertNotIn("secret", line, text)
        self.assertIn("/a? ", compile_format("squid", ("query",))(txn))
        self.assertIn("http://r.example/?", compile_format("combined", ("query",))(txn))

    def test_user(self) -> None:
        """A masked user is a hash: the same for the same user, another with another key."""
        lines = [
            compile_format("custom %un", ("user",), key)(ended(user=user))
            for user, key in (("alice", b"k"), ("alice", b"k"), ("bob", b"k"), ("alice", b"other"))
        ]
        self.assertRegex(lines[0], r"\Auser-[0-9a-f]{16}\n\Z")
        self.assertEqual(lines[0], lines[1])
        self.assertEqual(len(set(lines)), 3)
        for text in FORMATS:
            self.assertNotIn("alice", compile_format(text, ("user",))(ended(user="alice")))

    def test_key_of_its_own(self) -> None:
        """Without a key, two logs give different hashes."""
        first, second = (compile_format("custom %un", ("user",))(ended(user="alice")) for _ in "12")
        self.assertNotEqual(first, second)

    def test_unknown_mask(self) -> None:
        """A mask that nobody knows is a fault, not a mask that does nothing."""
        with self.assertRaisesRegex(ValueError, "'querry' is not one of query, user"):
            compile_format("squid", ("querry",))

    def test_userinfo(self) -> None:
        """User and password of a URL are never written, masked or not."""
        txn = ended(
            fields=(b"Referer: http://alice:secret@r.example/",),
            host="",
            target=b"http://a:secret@/",
        )
        for text in FORMATS:
            self.assertNotIn("secret", compile_format(text)(txn), text)
        self.assertIn("http://r.example/", compile_format("json")(txn))

    def test_credentials_have_no_directive(self) -> None:
        """A field that holds a secret can't be named, however it is spelt."""
        for name in ("Authorization", "proxy-AUTHORIZATION", "Cookie", "Set-Cookie"):
            for directive in ("%%{%s}>h", "%%{%s}i", "%%{%s}<h", "%%{%s}o"):
                with self.assertRaisesRegex(ValueError, "holds secrets"):
                    compile_format(f"custom {directive % name}")


class CustomTests(SynchronousTestCase):
    """Format strings."""

    def line(self, text: str, txn: Transaction | None = None) -> str:
        """Give the line without its end."""
        return compile_format(f"custom {text}")(txn or ended()).rstrip("\n")

    def test_shape(self) -> None:
        """Width, fill, side and precision are as in Squid."""
        self.assertEqual(self.line("[%6>Hs]"), "[   200]")
        self.assertEqual(self.line("[%06>Hs]"), "[000200]")
        self.assertEqual(self.line("[%-6>Hs]"), "[200   ]")
        self.assertEqual(self.line("[%.7rd]"), "[www.exa]")
        self.assertEqual(self.line("[%9.3rd]"), "[      www]")

    def test_longest_name(self) -> None:
        """Of several names the longest is meant."""
        self.assertEqual(self.line("%ts|%tr|%t"), "1795299264|7|[21/Nov/2026:22:14:24 +0000]")
        self.assertEqual(self.line("%m %mode %mt"), "GET forward text/html")

    def test_place_decides_on_escapes(self) -> None:
        """Inside double quotes text gets backslashes, outside percent signs; a sign decides otherwise."""
        txn = ended(fields=(b'X-A: a "b" 100%',))
        self.assertEqual(
            self.line('%{x-a}>h "%{X-A}>h" %"{X-A}>h "%#{X-A}>h"', txn),
            r'a%20%22b%22%20100%25 "a \"b\" 100%" a \"b\" 100% "a%20%22b%22%20100%25"',
        )

    def test_absent(self) -> None:
        """Nothing is a dash, but a query that is not there is nothing."""
        txn = ended(response=None)
        self.assertEqual(self.line("%un %{X}>h %{X}<h %{x}note %mt %U%q", txn), "- - - - - /a.html")

    def test_literals(self) -> None:
        """Text stays, tabs too, and a percent sign is written twice."""
        self.assertEqual(self.line("100%%\t%m!"), "100%\tGET!")

    def test_faults(self) -> None:
        """A fault is named with its place or its name."""
        faults = {
            "%>a %zz": "unknown directive '%zz' at column 5",
            "%": "unknown directive '%' at column 1",
            "%>h": "%>h needs a field in braces",
            "%{}note": "%note needs a name in braces",
            "%{x}>a": "%>a takes no argument",
            "%{a b}>h": "'a b' is not a field name",
            "%99999>a": "a width over 4096",
            "\x1b%>a": "printable ASCII",
            "\xe9%>a": "printable ASCII",
        }
        for text, message in faults.items():
            with self.assertRaises(ValueError) as caught:
                self.line(text)
            self.assertIn(message, str(caught.exception))

    def test_no_such_format(self) -> None:
        """A name that is no format, and a format string that is empty, are faults."""
        for text in ("", "Squid", "custom", "custom ", "%>a"):
            with self.assertRaisesRegex(ValueError, "is not squid, combined, json or"):
                compile_format(text)
