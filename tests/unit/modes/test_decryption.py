"""Tests of L{gateway.modes.decryption}: the table of who is decrypted."""

from __future__ import annotations

from typing import Any

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.answers import ClientHello, Intercept, Tunnel
from gateway.api.verdicts import Block
from gateway.config.hosts import HostSet
from gateway.config.sections.tls import Tls
from gateway.modes.decryption import Decision, Decryption

WWW = "www.example.com"
BANK = "bank.example.com"


def tls(decrypt: str = "all", **more: Any) -> Tls:
    """Make settings; lists of hosts as they stand in the file."""
    lists = {
        key: HostSet(more.pop(key)) for key in ("never_decrypt", "decrypt_hosts") if key in more
    }
    return Tls(decrypt=decrypt, **lists, **more)  # type: ignore[arg-type]


def hello(name: str = WWW, *alpn: str) -> ClientHello:
    """Make what a client says."""
    return ClientHello(name, alpn)


class DecisionTests(SynchronousTestCase):
    """What becomes of a connection."""

    def decides(
        self,
        expected: str,
        settings: Tls,
        *,
        host: str = WWW,
        name: str = WWW,
        alpn: tuple[str, ...] = ("h2", "http/1.1"),
        said: Intercept | Tunnel | Block | None = None,
        pinned: tuple[str, ...] = (),
    ) -> None:
        """Look at the decision, written as C{kind why}."""
        rules = Decryption(settings, bypassed=lambda one, hello: one in pinned)
        kind, why = expected.split()
        found = rules.decide(host, hello(name, *alpn), said)
        self.assertEqual(found, Decision(kind, why))  # type: ignore[arg-type]

    def test_settings_alone(self) -> None:
        """Where no plugin has an opinion, C{decrypt} and its lists decide."""
        self.decides("tunnel off", Tls())
        self.decides("intercept decrypt_all", tls("all"))
        self.decides("tunnel not_listed", tls("rules"))
        listed = tls("rules", decrypt_hosts=[".example.com"])
        self.decides("intercept decrypt_hosts", listed)
        self.decides("tunnel not_listed", listed, host="badexample.com", name="badexample.com")

    def test_plugin(self) -> None:
        """A plugin's word counts more than C{rules} and C{all}."""
        self.decides("intercept plugin", tls("rules"), said=Intercept("risky"))
        self.decides("tunnel plugin", tls("all"), said=Tunnel("private"))
        for decrypt in ("none", "rules", "all"):
            self.decides("block plugin", tls(decrypt), said=Block("no"))

    def test_off(self) -> None:
        """Nothing is decrypted with C{none}, whatever a plugin says; that is logged once."""
        logged: list[Any] = []
        observer: Any = logged.append
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        rules = Decryption(Tls())
        for _ in range(3):
            self.assertEqual(rules.decide(WWW, hello(), Intercept()), Decision("tunnel", "off"))
        rules.decide(WWW, hello(), None)
        self.assertEqual(len([one for one in logged if one.get("host") == WWW]), 1)

    def test_never(self) -> None:
        """C{never_decrypt} counts more than everything but a block, by either name."""
        settings = tls("all", never_decrypt=[BANK, "*.bank.example.com"])
        for host, name in (
            (BANK, BANK),
            (BANK, ""),
            ("www." + BANK, "www." + BANK),
        ):
            self.decides("tunnel never_decrypt", settings, host=host, name=name)
            self.decides("tunnel never_decrypt", settings, host=host, name=name, said=Intercept())
        self.decides("block plugin", settings, host=BANK, name=BANK, said=Block("no"))
        self.decides("intercept decrypt_all", settings, host="notbank.example.com")
        self.decides(
            "tunnel never_decrypt",
            tls("all", never_decrypt=["192.0.2.0/24"]),
            host="192.0.2.1",
            name=WWW,
        )

    def test_never_by_claim(self) -> None:
        """By the name that a client claims for an address alone, the connection has to lead to that name; for another name a claim is nothing."""
        rules = Decryption(tls("all", never_decrypt=[BANK]))
        self.assertEqual(
            rules.decide("192.0.2.1", hello(BANK), None),
            Decision("tunnel", "never_decrypt", to=BANK),
        )
        self.decides("intercept decrypt_all", tls("all", never_decrypt=[BANK]), host=WWW, name=BANK)
        # Where nothing is decrypted in any case nobody is led elsewhere.
        off = tls("none", never_decrypt=[BANK])
        self.decides("tunnel off", off, host="192.0.2.1", name=BANK)

    def test_either_name_is_listed(self) -> None:
        """A host is decrypted by the name of the CONNECT, and by the one that the client asks for."""
        settings = tls("rules", decrypt_hosts=[WWW])
        self.decides("intercept decrypt_hosts", settings, host="192.0.2.1", name=WWW)
        self.decides("intercept decrypt_hosts", settings, host=WWW, name="")
        self.decides("tunnel not_listed", settings, host="192.0.2.1", name="")

    def test_pinned(self) -> None:
        """What apps refuse passes unread, unless a plugin wants it decrypted all the same."""
        self.decides("tunnel pinned", tls("all"), pinned=(WWW,))
        self.decides("tunnel pinned", tls("all"), name="", pinned=(WWW,))
        listed = tls("rules", decrypt_hosts=[WWW])
        self.decides("tunnel pinned", listed, pinned=(WWW,))
        self.decides("intercept plugin", tls("rules"), said=Intercept(), pinned=(WWW,))
        self.decides("tunnel not_listed", tls("rules"), pinned=(WWW,))

    def test_pinned_name_is_a_claim(self) -> None:
        """Asking for a bypassed name leads nobody past decryption to another host."""
        self.decides("intercept decrypt_all", tls("all"), host="x.example.com", pinned=(WWW,))
        self.decides("intercept decrypt_all", tls("all"), host="192.0.2.1", pinned=(WWW,))

    def test_protocols(self) -> None:
        """Who would not take HTTP/1.1 is an unknown protocol; who does not say may speak it."""
        for alpn in (("h2",), ("imap", "acme-tls/1"), ("http/1.10",)):
            self.decides("tunnel unknown_protocol", tls("all"), alpn=alpn)
            block = tls("all", on_unknown_protocol="block")
            self.decides("block unknown_protocol", block, alpn=alpn)
            self.decides("block unknown_protocol", block, alpn=alpn, said=Intercept())
        for spoken in ((), ("http/1.1",), ("\x0a\x0a", "h2", "http/1.1")):
            self.decides("intercept decrypt_all", tls("all"), alpn=spoken)

    def test_protocols_of_what_is_not_decrypted(self) -> None:
        """What passes unread anyway is not asked for its protocol."""
        for settings, why in (
            (tls("none", on_unknown_protocol="block"), "off"),
            (tls("rules", on_unknown_protocol="block"), "not_listed"),
            (tls("all", on_unknown_protocol="block", never_decrypt=[WWW]), "never_decrypt"),
        ):
            self.decides(f"tunnel {why}", settings, alpn=("h2",))


class Http2OnlyTests(SynchronousTestCase):
    """Whether a server that speaks HTTP/2 alone may pass unread where it was to be decrypted."""

    def why_not(
        self,
        settings: Tls,
        *,
        name: str = WWW,
        alpn: tuple[str, ...] = ("h2", "http/1.1"),
        said: Intercept | None = None,
        content_wanted: bool = False,
    ) -> str:
        """Ask."""
        return Decryption(settings).why_not_unread(
            WWW, hello(name, *alpn), said, content_wanted=content_wanted
        )

    def test_auto(self) -> None:
        """It may, unless content is looked at or what is unknown is closed."""
        self.assertEqual(self.why_not(tls()), "")
        self.assertIn("content", self.why_not(tls(), content_wanted=True))
        self.assertIn("nothing pass", self.why_not(tls(on_unknown_protocol="block")))

    def test_set(self) -> None:
        """The setting says otherwise, both ways."""
        self.assertIn("nothing pass", self.why_not(tls(on_http2_only="block")))
        settings = tls(on_http2_only="tunnel", on_unknown_protocol="block")
        self.assertEqual(self.why_not(settings, content_wanted=True), "")

    def test_never(self) -> None:
        """Whatever it says: not against a plugin, not by the name of another, not where it is of no use."""
        for settings in (tls(), tls(on_http2_only="tunnel")):
            self.assertIn("plugin", self.why_not(settings, said=Intercept()))
            self.assertIn("name", self.why_not(settings, name=BANK))
            self.assertIn("HTTP/1.1 alone", self.why_not(settings, alpn=("http/1.1",)))
            self.assertEqual(self.why_not(settings, name="", alpn=()), "")


class BeforeTests(SynchronousTestCase):
    """What is known without a look at the client's first message."""

    def test_off(self) -> None:
        """With decryption off nothing is looked at, unless what is no TLS is refused."""
        self.assertEqual(Decryption(Tls()).before_hello(WWW), Decision("tunnel", "off"))
        self.assertIsNone(Decryption(tls("none", on_unknown_protocol="block")).before_hello(WWW))

    def test_never(self) -> None:
        """A host that is never decrypted is not looked at; others are, for the client may name another one."""
        rules = Decryption(tls("all", never_decrypt=[BANK]))
        self.assertEqual(rules.before_hello(BANK), Decision("tunnel", "never_decrypt"))
        self.assertIsNone(rules.before_hello(WWW))
        self.assertIsNone(Decryption(tls("rules")).before_hello(WWW))

    def test_asked(self) -> None:
        """A plugin that wants to see first messages sees all of them: it may block."""
        for settings in (Tls(), tls("all", never_decrypt=[BANK])):
            self.assertIsNone(Decryption(settings, asked=True).before_hello(BANK))

    def test_never_by_any_name(self) -> None:
        """Whether a connection may stay decrypted depends on all its names."""
        rules = Decryption(tls("all", never_decrypt=[BANK]), asked=True)
        self.assertTrue(rules.never("192.0.2.1", BANK))
        self.assertFalse(rules.never(WWW, ""))
        self.assertTrue(Decryption(Tls()).never(WWW))

    def test_told(self) -> None:
        """What else there is to know is there to be read."""
        rules = Decryption(tls("rules", on_unknown_protocol="block", block_page_over_tls=True))
        self.assertEqual(
            (rules.unknown, rules.page_over_tls, rules.may_intercept), ("block", True, True)
        )
        self.assertFalse(Decryption(Tls()).may_intercept)
