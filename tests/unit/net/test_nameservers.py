"""Which name servers are asked; the asking itself is in tests/live."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.net.nameservers import parse_resolv_conf


class ParseResolvConfTests(SynchronousTestCase):
    def test_servers(self) -> None:
        """Name servers are taken in their order; search lists and options don't matter."""
        self.assertEqual(
            parse_resolv_conf(
                "# made by hand\nsearch example.com\nnameserver 192.0.2.53\n"
                " nameserver\t2001:db8::53 # second\noptions rotate\nnameserver fe80::1%eth0\n"
            ),
            [("192.0.2.53", 53), ("2001:db8::53", 53), ("fe80::1%eth0", 53)],
        )

    def test_nonsense(self) -> None:
        """A name server is an address; anything else is left out."""
        self.assertEqual(
            parse_resolv_conf("nameserver\nnameserver ns.example.com\nnameserver 192.0.2.1\n"),
            [("192.0.2.1", 53)],
        )

    def test_none(self) -> None:
        """Without any, the one on this machine is asked (resolv.conf(5))."""
        self.assertEqual(parse_resolv_conf(""), [("127.0.0.1", 53)])
