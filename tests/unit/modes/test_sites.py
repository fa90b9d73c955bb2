"""Sites by host and path: the most specific wins, and no trick of spelling leads past a site."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import ClientError
from gateway.modes.sites import HostTable, SiteTable


@dataclass(frozen=True)
class Site:
    """What the table sees of a site."""

    host: tuple[str, ...]
    path: str = "/"
    listen: tuple[str, ...] = ("127.0.0.1:8000",)


class HostTests(SynchronousTestCase):
    """The choice by host."""

    def setUp(self) -> None:
        """Make sites of all three kinds of host."""
        self.exact = Site(("www.example.com", "::1"))
        self.wide = Site(("*.example.com",))
        self.deep = Site(("*.shop.example.com",))
        self.hosts = HostTable([self.wide, self.deep, self.exact])

    def test_an_exact_name_wins(self) -> None:
        """An exact name is preferred to the wildcard that holds it, too."""
        self.assertIs(self.hosts.find("www.example.com", b"/"), self.exact)
        self.assertIs(self.hosts.find("::1", b"/x"), self.exact)

    def test_the_longest_wildcard_wins(self) -> None:
        """A wildcard stands for one label or more, and the longer one is preferred."""
        self.assertIs(self.hosts.find("a.example.com", b"/"), self.wide)
        self.assertIs(self.hosts.find("a.b.example.com", b"/"), self.wide)
        self.assertIs(self.hosts.find("shop.example.com", b"/"), self.wide)
        self.assertIs(self.hosts.find("a.shop.example.com", b"/"), self.deep)
        self.assertIs(self.hosts.find("a.b.shop.example.com", b"/"), self.deep)

    def test_a_wildcard_holds_labels_only(self) -> None:
        """Neither the name itself nor one that merely ends in it belongs to a wildcard."""
        for host in ("example.com", "badexample.com", "example.com.evil.example", "com", ""):
            self.assertIsNone(self.hosts.find(host, b"/"), host)
            self.assertFalse(self.hosts.knows(host), host)
        self.assertTrue(self.hosts.knows("a.b.example.com"))
        self.assertTrue(self.hosts.knows("www.example.com"))

    def test_every_host(self) -> None:
        """C{*} takes what nobody else has."""
        rest = Site(("*",))
        hosts = HostTable([rest, self.exact])
        self.assertIs(hosts.find("other.example", b"/"), rest)
        self.assertIs(hosts.find("www.example.com", b"/"), self.exact)
        self.assertTrue(hosts.knows("other.example"))

    def test_a_path_that_is_left_over_goes_to_a_less_specific_host(self) -> None:
        """Where the sites of a name don't take a path, those of the wildcard are asked, then those of C{*}."""
        app = Site(("www.example.com",), "/app")
        shop = Site(("*.example.com",), "/shop")
        rest = Site(("*",))
        hosts = HostTable([app, shop, rest])
        for path, site in {b"/app/x": app, b"/shop": shop, b"/x": rest}.items():
            self.assertIs(hosts.find("www.example.com", path), site, path)

    def test_listeners(self) -> None:
        """A site is found at its own listeners alone."""
        one = Site(("*",), listen=("127.0.0.1:8000", "127.0.0.1:8001", "127.0.0.1:8000"))
        two = Site(("a",), listen=("127.0.0.1:8002",))
        table = SiteTable([one, two])
        self.assertIs(table.find("a", b"/", "127.0.0.1:8001"), one)
        self.assertIs(table.find("a", b"/", "127.0.0.1:8002"), two)
        self.assertIsNone(table.find("a", b"/", "127.0.0.1:8003"))
        self.assertIsNone(table.at("127.0.0.1:8003"))
        hosts = table.at("127.0.0.1:8002")
        assert hosts is not None
        self.assertIsNone(hosts.find("b", b"/"))

    def test_two_of_the_same(self) -> None:
        """Two sites that could not be told apart are an error of the configuration."""
        self.assertRaises(ValueError, SiteTable, [Site(("a",), "/x"), Site(("b", "a"), "/x/")])

    def test_no_path(self) -> None:
        """A path that no request could have is an error of the configuration."""
        for path in ("", "app", "/caf\xe9"):
            self.assertRaises(ValueError, HostTable, [Site(("a",), path)])


class PathTests(SynchronousTestCase):
    """The choice by path."""

    def setUp(self) -> None:
        """Make nested paths on one host."""
        self.root = Site(("a",))
        self.app = Site(("a",), "/app")
        self.admin = Site(("a",), "/app/admin/")
        self.hosts = HostTable([self.app, self.root, self.admin])

    def test_the_longest_path_wins_on_whole_segments(self) -> None:
        """A prefix is itself and what is below it; case counts, a query doesn't."""
        for path, site in {
            b"/": self.root,
            b"/app": self.app,
            b"/app/": self.app,
            b"/app/x/y": self.app,
            b"/app?x=/app/admin": self.app,
            b"/apple": self.root,
            b"/App": self.root,
            b"/app/admin": self.admin,
            b"/app/admin/x": self.admin,
            b"/app/administrator": self.app,
            b"/x/app/admin": self.root,
            b"*": self.root,
        }.items():
            self.assertIs(self.hosts.find("a", path), site, path)

    def test_no_root(self) -> None:
        """A host without a site at its root leaves other paths over."""
        hosts = HostTable([self.app])
        self.assertIsNone(hosts.find("a", b"/"))
        self.assertIsNone(hosts.find("a", b"*"))
        self.assertIs(hosts.find("a", b"/app/x"), self.app)
        self.assertTrue(hosts.knows("a"))

    def test_detours(self) -> None:
        """A path that some origin reads as another site's is refused, in either direction."""
        for path in (
            b"/app/../x",
            b"/x/../app",
            b"/app/admin/../x",
            b"/app/x/../admin",
            b"/app/./admin/",
            b"/x/%2e%2e/app",
            b"/x/%2E./app/y",
            b"/app%2fadmin",
            b"/app/x%2f..%2fadmin",
            b"/app\\admin",
            b"/app/x\\..\\admin",
            b"/app%5cadmin",
            b"//app",
            b"/app//admin",
            b"/%61pp",
            b"/app/%61dmin",
            b"/app;v=1/x",
            b"/app/x/..;/admin",
            b"/app/..;a=b/",
            b"/app/admin;x",
            b"/app/..?/app/",
        ):
            error = self.assertRaises(ClientError, self.hosts.find, "a", path)
            self.assertEqual((error.status, error.page), (400, "ambiguous_path"), path)

    def test_odd_paths_within_a_site(self) -> None:
        """Dots, encodings and repeated slashes that stay in their site are the origin's business."""
        for path, site in {
            b"/x/../y": self.root,
            b"//x//y": self.root,
            b"/../../etc/passwd": self.root,
            b"/a%2fb%20c": self.root,
            b"/app/x/../y": self.app,
            b"/app/a%2fb": self.app,
            b"/app/x;y=z": self.app,
            b"/app/.well-known": self.app,
            b"/app/admin/%61": self.admin,
            b"/app/%": self.app,
            b"/app/%zz": self.app,
            b"/x?../app": self.root,
        }.items():
            self.assertIs(self.hosts.find("a", path), site, path)

    def test_a_lone_root_site_takes_everything(self) -> None:
        """Where there is nothing to be confused with, nothing is refused."""
        hosts = HostTable([self.root])
        self.assertIs(hosts.find("a", b"/app/../%2e%2e/..;/x"), self.root)

    @settings(deadline=None, derandomize=True)
    @given(
        st.lists(
            st.sampled_from(
                [b"app", b"admin", b"..", b".", b"", b"%2e", b"%2f", b"x", b";", b"\\"]
            ),
            max_size=12,
        )
    )
    def test_what_is_normal_agrees(self, segments: list[bytes]) -> None:
        """Whatever is found for a path is found for its normal form, too, or the path is refused."""
        path = b"/" + b"/".join(segments)
        try:
            site = self.hosts.find("a", path)
        except ClientError:
            return
        kept: list[bytes] = []
        for segment in path.replace(b"%2e", b".").split(b"/")[1:]:
            if segment == b"..":
                kept = kept[:-1]
            elif segment != b".":
                kept.append(segment)
        normal = b"/" + b"/".join(kept)
        expected = self.root
        for prefix, other in ((b"/app/admin", self.admin), (b"/app", self.app)):
            if normal == prefix or normal.startswith(prefix + b"/"):
                expected = other
                break
        self.assertIs(site, expected)
