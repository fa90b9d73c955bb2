"""The sticky cookie: names an origin, tells nothing of it, and stays between the client and us."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.modes.sticky import ID_LENGTH, StickyCookie, origin_id

FIRST = "http://10.0.1.10:8000"
SECOND = "http://10.0.1.11:8000"
KEY = b"a key of the test"


def cookie(path: str = "/", name: str = "gateway-origin") -> StickyCookie:
    """Make the cookie of a site with two origins."""
    return StickyCookie(name, [FIRST, SECOND], KEY, path=path)


class IdTests(SynchronousTestCase):
    """C{origin_id}."""

    def test_keyed(self) -> None:
        """The same key gives the same id; another key or another origin another one; it says nothing of the address."""
        made = origin_id(FIRST, KEY)
        self.assertEqual(made, origin_id(FIRST, KEY))
        self.assertEqual(len({made, origin_id(SECOND, KEY), origin_id(FIRST, b"other")}), 3)
        self.assertRegex(made, rf"\A[0-9a-f]{{{ID_LENGTH}}}\Z")


class SetTests(SynchronousTestCase):
    """The Set-Cookie line."""

    def test_attributes(self) -> None:
        """It is kept from scripts and other sites' forms, bound to the site's path, and secure on https."""
        made = origin_id(FIRST, KEY).encode()
        plain = b"Set-Cookie: gateway-origin=" + made + b"; Path=/app; HttpOnly; SameSite=Lax"
        self.assertEqual(cookie("/app").set_line(FIRST, secure=False), plain)
        self.assertEqual(cookie("/app").set_line(FIRST, secure=True), plain + b"; Secure")
        self.assertNotIn(b"10.0.1", plain)

    def test_paths_that_no_cookie_can_name(self) -> None:
        """A path with a semicolon or white space would change the attributes, so the cookie is for the whole host."""
        for path in ("/a;Domain=x", "/a b", "a", "", "/\xe9", "/a\r\n"):
            self.assertIn(b"; Path=/; HttpOnly", cookie(path).set_line(FIRST, secure=False), path)

    def test_names(self) -> None:
        """The name is a token."""
        for name in ("", "a b", "a=b", "a;b", "a\n"):
            self.assertRaises(ValueError, cookie, name=name)

    def test_unknown_origin(self) -> None:
        """There is no line for an origin of another site."""
        self.assertRaises(KeyError, cookie().set_line, "http://10.9.9.9:80", secure=False)


class ReadTests(SynchronousTestCase):
    """Reading and removing ours from what a client sends."""

    def setUp(self) -> None:
        """Make one cookie and its pair."""
        self.cookie = cookie()
        self.mine = self.cookie.ids[FIRST]
        self.pair = b"gateway-origin=" + self.mine.encode()

    def test_read(self) -> None:
        """Ours is found wherever it stands."""
        for value in (
            self.pair,
            b"a=b; " + self.pair,
            self.pair + b"; a=b",
            b"a=b;" + self.pair + b";c=d",
            b"gateway-origin=other; " + self.pair,
            b'gateway-origin="' + self.mine.encode() + b'"',
        ):
            self.assertEqual(self.cookie.read([value]), self.mine, value)
        self.assertEqual(self.cookie.read([b"a=b", self.pair]), self.mine)

    def test_others(self) -> None:
        """Unknown ids, and cookies whose name or value only contains ours, are none."""
        for value in (
            b"",
            b"a=b",
            b"gateway-origin=",
            b"gateway-origin=0123456789abcdef",
            b"gateway-origin=" + FIRST.encode(),
            b"my-" + self.pair,
            b"a=" + self.pair,
            b'a="' + self.pair + b'"',
            self.pair + b"0",
            self.pair.upper(),
        ):
            self.assertIsNone(self.cookie.read([value]), value)
        self.assertIsNone(self.cookie.read([]))

    def test_strip(self) -> None:
        """The origin gets all other cookies in their order, and none of ours."""
        for value, left in {
            b"a=b; " + self.pair: b"a=b",
            self.pair + b"; a=b": b"a=b",
            b"a=b; " + self.pair + b"; c=d": b"a=b; c=d",
            b"a=b;" + self.pair + b";c=d": b"a=b;c=d",
            self.pair + b"; " + self.pair + b"; a=b": b"a=b",
            b"gateway-origin=unknown; a=b": b"a=b",
        }.items():
            self.assertEqual(self.cookie.strip(b"Cookie: " + value), b"Cookie: " + left, value)

    def test_strip_the_only_one(self) -> None:
        """A line with nothing but ours goes."""
        self.assertIsNone(self.cookie.strip(b"Cookie: " + self.pair))
        self.assertIsNone(self.cookie.strip(b"cookie:" + self.pair + b"; " + self.pair + b";"))

    def test_strip_nothing(self) -> None:
        """A line without ours is the very same object."""
        line = b"Cookie: a=b; c=d"
        self.assertIs(self.cookie.strip(line), line)

    def test_names_that_contain_ours(self) -> None:
        """Cookies whose name ends in ours stay."""
        line = b"Cookie: my-gateway-origin=1; a=gateway-origin=2"
        self.assertEqual(self.cookie.strip(line), line)

    @settings(deadline=None, derandomize=True)
    @given(
        st.lists(
            st.sampled_from(
                [b"a=b", b"c", b"", b"x-gateway-origin=1", b"gateway-origin=2", b"q=\xff"]
            )
        )
    )
    def test_all_others_stay(self, pairs: list[bytes]) -> None:
        """Whatever the cookies are, those of other names stay and ours go."""
        line = b"Cookie: " + b"; ".join(pairs)
        stripped = self.cookie.strip(line)
        wanted = [p for p in pairs if p and not p.startswith(b"gateway-origin=")]
        left = (stripped or b"").partition(b":")[2].split(b";")
        self.assertEqual([p.strip() for p in left if p.strip()], wanted)
