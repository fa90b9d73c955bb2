"""Our cookies among an origin's: names, and that nothing of them passes in either direction."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Fields
from gateway_auth.cookies import MAX_COPIES, Origin, copies, set_cookie, strip, strip_set

HTTP = Origin("http", "www.example.com", 80)
HTTPS = Origin("https", "www.example.com", 443)


def fields(*values: str, name: str = "Cookie") -> Fields:
    return Fields.of([("Accept", "*/*"), *((name, value) for value in values), ("X-Last", "1")])


class NameTests(SynchronousTestCase):
    """Names of cookies and origins."""

    def test_names(self) -> None:
        """Each port has a name of its own, and https the prefix by which browsers let nobody else set it."""
        self.assertEqual(HTTP.cookie(), "gateway-auth")
        self.assertEqual(HTTPS.cookie(), "__Host-gateway-auth")
        self.assertEqual(Origin("http", "a", 8080).cookie("state"), "gateway-auth-state-8080")
        self.assertEqual(Origin("https", "a", 8443).cookie(), "__Host-gateway-auth-8443")

    def test_origin(self) -> None:
        """An origin is written with its port, and as a browser does without the usual one."""
        self.assertEqual(
            (str(HTTP), HTTP.url), ("http://www.example.com:80", "http://www.example.com")
        )
        v6 = Origin("https", "2001:db8::1", 443)
        self.assertEqual((str(v6), v6.url), ("https://[2001:db8::1]:443", "https://[2001:db8::1]"))
        self.assertEqual(Origin("http", "a", 443).url, "http://a:443")

    def test_set(self) -> None:
        """It is kept from scripts and other sites, and over https from plain text."""
        made = Fields()
        set_cookie(made, HTTPS, "", "value", 28800.9)
        self.assertEqual(
            made.get("set-cookie"),
            "__Host-gateway-auth=value; Path=/; Max-Age=28800; HttpOnly; SameSite=Lax; Secure",
        )
        made = Fields()
        set_cookie(made, HTTP, "form", "", -5, same_site="Strict")
        self.assertEqual(
            made.get("set-cookie"),
            "gateway-auth-form=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict",
        )


class RequestTests(SynchronousTestCase):
    """Cookie fields."""

    def test_copies(self) -> None:
        """All copies in all lines are found, up to an end, and no lookalike."""
        found = fields("a=1; gateway-auth=x; gateway-auth-state=s", "Gateway-Auth=y;gateway-auth=z")
        self.assertEqual(copies(found, "gateway-auth"), ["x", "z"])
        many = fields("; ".join(f"gateway-auth={n}" for n in range(1000)))
        self.assertEqual(len(copies(many, "gateway-auth")), MAX_COPIES)

    def test_untouched(self) -> None:
        """Without a cookie of ours nothing changes, not one byte."""
        for value in ("a=1;  b=2 ;;c", 'x="a;b"', "mygateway-auth2=1; gateway=1; auth-gateway=2"):
            request = fields(value)
            lines = list(request.lines)
            strip(request)
            self.assertEqual(request.lines, lines)

    def test_stripped(self) -> None:
        """It is taken out, however it is spelt, and the others stay."""
        for spelt in (
            "gateway-auth=x",
            "gateway-auth-8080=x",
            "gateway-auth-state=x",
            "GATEWAY-Auth=x",
            " gateway-auth =x",
            "gateway-auth",
            "=gateway-auth=x",
            '"gateway-auth"=x',
            "__Host-gateway-auth=x",
            "__HOST-gateway-auth-8443=x",
            "__Secure-gateway-auth=x",
            "\tgateway-auth=x",
            "v=1, gateway-auth=x",
            "gateway-auth.x=1",
        ):
            request = fields(f"a=1; {spelt}; b=2")
            strip(request)
            self.assertEqual(request.get_all("cookie"), ["a=1; b=2"], spelt)

    def test_several_lines(self) -> None:
        """It is taken out of every line, and a line of nothing else goes."""
        request = fields("gateway-auth=x", "a=1", "gateway-auth=y; b=2")
        strip(request)
        self.assertEqual(request.get_all("cookie"), ["a=1", "b=2"])
        request = fields("gateway-auth=x")
        strip(request)
        self.assertNotIn("cookie", request)
        self.assertEqual(request.get("x-last"), "1")


class ResponseTests(SynchronousTestCase):
    """Set-Cookie fields."""

    def test_dropped(self) -> None:
        """An origin sets its own cookies and none of ours, with whatever attributes."""
        response = fields(
            "gateway-auth=evil; Path=/",
            "session=1; HttpOnly",
            "__Host-gateway-auth=evil; Secure; Path=/",
            "GateWay-Auth=evil; Domain=example.com",
            "=gateway-auth=evil",
            name="Set-Cookie",
        )
        self.assertEqual(strip_set(response), 4)
        self.assertEqual(response.get_all("set-cookie"), ["session=1; HttpOnly"])
        old = fields("a=1, gateway-auth=2", name="Set-Cookie2")
        self.assertEqual(strip_set(old), 1)

    def test_untouched(self) -> None:
        """Without one of ours nothing changes."""
        response = fields("a=1", "b=gateway-auth", name="Set-Cookie")
        lines = list(response.lines)
        self.assertEqual(strip_set(response), 0)
        self.assertEqual(response.lines, lines)
