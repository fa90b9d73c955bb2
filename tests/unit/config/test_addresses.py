"""Listeners, origins and name servers as they are written."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.addresses import Listen, Nameserver, Origin, listen, nameserver, origin, url
from gateway.config.faults import BadValue


class ListenTests(SynchronousTestCase):
    """The short form of a listener."""

    def test_forms(self) -> None:
        """Each form gives the address without brackets, and its kind."""
        cases = {
            "127.0.0.1:8080": Listen("127.0.0.1", 8080),
            "[::1]:8080": Listen("::1", 8080),
            ":8080": Listen("0.0.0.0", 8080),
            "*:8080": Listen("0.0.0.0", 8080),
            "[::]:80": Listen("::", 80),
            "unix:/run/gateway.sock": Listen("/run/gateway.sock", kind="unix"),
            "systemd:2": Listen("", kind="systemd", index=2),
        }
        for text, expected in cases.items():
            self.assertEqual(listen(text), expected, text)

    @settings(deadline=None)
    @given(st.ip_addresses(), st.integers(1, 65535))
    def test_round_trip(self, address: object, number: int) -> None:
        """What is shown of a listener is read back as the same one."""
        place = Listen(str(address), number)
        self.assertEqual(listen(str(place)), place)

    def test_faults_say_what_to_write(self) -> None:
        """The usual slips are answered with the text that was meant."""
        cases = {
            "8080": '"127.0.0.1:8080"',
            "localhost:8080": '"127.0.0.1:8080"',
            "127.0.0.1": '"127.0.0.1:8080"',
            "::1": '"[::1]:8080"',
            "2001:db8:0:0:0:0:0:1:8080": '"[2001:db8:0:0:0:0:0:1]:8080"',
            "unix:gateway.sock": 'write it like "unix:/run/gateway.sock"',
        }
        for text, advice in cases.items():
            self.assertEqual(self.assertRaises(BadValue, listen, text).mend, advice, text)

    def test_bad_port_is_blamed(self) -> None:
        """A port out of its bounds is told apart from the rest of the address."""
        for text in ("0.0.0.0:70000", "0.0.0.0:0", "[::1]:-1"):
            self.assertEqual(self.assertRaises(BadValue, listen, text).part, "port", text)

    def test_refused(self) -> None:
        """Anything else is refused."""
        for text in (
            "",
            "example.com:80",
            "[127.0.0.1]:80",
            "127.0.0.1:80:81",
            "unix:",
            "systemd:",
            "systemd:x",
            "http://a",
        ):
            with self.assertRaises(BadValue, msg=text):
                listen(text)

    def test_long_unix_path(self) -> None:
        """A path that the system could not bind is refused here."""
        listen("unix:/" + "a" * 106)
        self.assertRaises(BadValue, listen, "unix:/" + "a" * 107)

    def test_overlap(self) -> None:
        """Two listeners overlap when the system would refuse the second: the wildcards hold the single addresses."""
        cases = [
            ("127.0.0.1:80", "127.0.0.1:80", True),
            ("127.0.0.1:80", "127.0.0.1:81", False),
            ("127.0.0.1:80", "127.0.0.2:80", False),
            ("0.0.0.0:80", "127.0.0.1:80", True),
            ("0.0.0.0:80", "[::1]:80", False),
            ("[::]:80", "[::1]:80", True),
            ("[::]:80", "127.0.0.1:80", True),
            ("[::]:80", "0.0.0.0:80", True),
            ("unix:/a", "unix:/a", True),
            ("unix:/a", "unix:/b", False),
            ("systemd:0", "systemd:0", True),
            ("systemd:0", "systemd:1", False),
            ("systemd:0", "127.0.0.1:80", False),
        ]
        for one, other, expected in cases:
            self.assertEqual(listen(one).overlaps(listen(other)), expected, (one, other))
            self.assertEqual(listen(other).overlaps(listen(one)), expected, (other, one))

    def test_local(self) -> None:
        """Loopback and unix sockets are reached from this machine only; a wildcard and a passed socket may not be."""
        for text in ("127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "unix:/a"):
            self.assertTrue(listen(text).is_local, text)
        for text in (":80", "[::]:80", "192.0.2.1:80", "systemd:0"):
            self.assertFalse(listen(text).is_local, text)


class UrlTests(SynchronousTestCase):
    """URLs that name a server."""

    def test_origins(self) -> None:
        """An origin has scheme, host and port; without a port it is the scheme's own."""
        cases = {
            "http://10.0.1.10:8000": Origin("http", "10.0.1.10", 8000),
            "http://App.Example.com": Origin("http", "app.example.com", 80),
            "HTTP://[2001:db8::1]:81/": Origin("http", "2001:db8::1", 81),
            "http://[2001:db8::1]": Origin("http", "2001:db8::1", 80),
            "https://10.0.0.1": Origin("https", "10.0.0.1", 443),
            "https://a:8443": Origin("https", "a", 8443),
        }
        for text, expected in cases.items():
            self.assertEqual(origin(text), expected, text)
            self.assertEqual(origin(str(expected)), expected)

    def test_refused_origins(self) -> None:
        """Paths, queries, credentials, other schemes and what is no URL are refused."""
        for text in (
            "http://a/b",
            "http://a?x",
            "http://u:p@a",
            "ftp://a",
            "a:80",
            "http://",
            "http://:80",
            "http://a b",
            "http://[::1",
            "http://a:x",
            "http://a:0",
            "",
        ):
            with self.assertRaises(BadValue, msg=text):
                origin(text)

    def test_credentials_are_kept_out_of_the_fault(self) -> None:
        """A fault about an URL with credentials does not show the password."""
        functions: list[Callable[[str], object]] = [origin, url]
        for text in (
            "http://user:hunter2@a/b",
            "user:hunter2@a",
            "http//user:hunter2@a:80",
            "http://user:hunter2@a b",
        ):
            for function in functions:
                fault = self.assertRaises(BadValue, function, text)
                self.assertNotIn("hunter2", fault.message + fault.mend)

    def test_nameservers(self) -> None:
        """A name server is an address, with the port 53 unless another is said."""
        cases = {
            "192.0.2.53": Nameserver("192.0.2.53", 53),
            "192.0.2.53:5353": Nameserver("192.0.2.53", 5353),
            "2001:db8::53": Nameserver("2001:db8::53", 53),
            "[2001:db8::53]": Nameserver("2001:db8::53", 53),
            "[2001:db8::53]:5353": Nameserver("2001:db8::53", 5353),
        }
        for text, expected in cases.items():
            self.assertEqual(nameserver(text), expected, text)
        for text in ("dns.example.com", "dns.example.com:53", "", "192.0.2.53:0"):
            with self.assertRaises(BadValue, msg=text):
                nameserver(text)
