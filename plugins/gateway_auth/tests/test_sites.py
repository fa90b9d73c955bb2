"""Tests of what origins are told."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Fields, Identity
from gateway_auth.settings import SiteSettings
from gateway_auth.sites import MAX_GROUPS_BYTES, Sites, groups_text


class SitesTests(SynchronousTestCase):
    """L{Sites}."""

    def told(self, identity: Identity, settings: SiteSettings | None = None) -> Fields:
        """Tell an origin."""
        fields = Fields()
        Sites(settings or SiteSettings()).tell(fields, identity)
        return fields

    def test_utf8(self) -> None:
        """Names go as UTF-8."""
        fields = self.told(Identity("jürgen", frozenset({"größe"})))
        self.assertEqual(fields.lines[0], "X-Remote-User: jürgen".encode())

    def test_line_breaks(self) -> None:
        """A name that would make a second field is an error, and nothing is sent."""
        self.assertRaises(ValueError, self.told, Identity("anna\r\nX-Admin: 1"))

    def test_groups(self) -> None:
        """Groups are sorted, and what would look like two is encoded."""
        self.assertEqual(
            groups_text(frozenset({"b", "a,c", "100%", "x\r\ny"})), "100%25,a%2Cc,b,x%0D%0Ay"
        )

    def test_many_groups(self) -> None:
        """No more are sent than a server takes."""
        text = groups_text(frozenset(f"group-{number:05}" for number in range(5000)))
        self.assertLessEqual(len(text), MAX_GROUPS_BYTES)
        self.assertTrue(text.startswith("group-00000,group-00001"))

    def test_own_names(self) -> None:
        """Names can be chosen, and left out."""
        settings = SiteSettings(user_header="Remote-User", groups_header="")
        fields = self.told(Identity("anna", frozenset({"staff"})), settings)
        self.assertEqual(fields.lines, [b"Remote-User: anna"])

    def test_strip(self) -> None:
        """All copies go, whatever their case; other fields stay as they are."""
        fields = Fields(
            [b"X-REMOTE-user: a", b"Accept: b", b"X-Remote-Groups:c", b"x-remote-user:d"]
        )
        Sites(SiteSettings()).strip(fields)
        self.assertEqual(fields.lines, [b"Accept: b"])
        untouched = Fields([b"Accept: b"])
        lines = untouched.lines
        Sites(SiteSettings()).strip(untouched)
        self.assertIs(untouched.lines, lines)
