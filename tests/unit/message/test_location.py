"""References to the origin are rewritten, and nothing else."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.message.location import OriginReferences

PUBLIC = b"https://www.example.com"


class OriginReferencesTests(SynchronousTestCase):
    """L{OriginReferences}."""

    def setUp(self) -> None:
        """Know three origins."""
        self.origins = OriginReferences(
            [("http", "10.0.1.10", 8000), ("http", "app.internal", 80), ("https", "::1", 8443)]
        )

    def test_absolute_references_to_an_origin(self) -> None:
        """Scheme and authority become the public ones, the rest stays as it is."""
        for value, expected in {
            b"http://10.0.1.10:8000/a?b#c": PUBLIC + b"/a?b#c",
            b"HTTP://10.0.1.10:8000": PUBLIC,
            b"http://App.Internal/x": PUBLIC + b"/x",
            b"http://app.internal:80/x": PUBLIC + b"/x",
            b"http://app.internal?q": PUBLIC + b"?q",
            b"https://[::1]:8443/x": PUBLIC + b"/x",
        }.items():
            self.assertEqual(self.origins.rewrite(value, PUBLIC), expected, value)

    def test_everything_else(self) -> None:
        """Other hosts, ports and schemes, and relative references, are the very same object."""
        for value in (
            b"/a",
            b"a",
            b"",
            b"//app.internal/x",
            b"https://app.internal/x",
            b"http://app.internal:81/x",
            b"http://app.internal.example.com/x",
            b"http://10.0.1.10:80001/",
            b"http://u@app.internal/",
            b"http://other.example/?u=http://app.internal/",
            b"mailto:a@app.internal",
        ):
            self.assertIs(self.origins.rewrite(value, PUBLIC), value)

    def test_refresh(self) -> None:
        """The reference in Refresh is rewritten, with or without quotes; a bare delay is not touched."""
        for value, expected in {
            b"5; url=http://app.internal/x": b"5; url=" + PUBLIC + b"/x",
            b"0;URL='http://app.internal/x'": b"0;URL='" + PUBLIC + b"/x'",
            b'0, url = "http://app.internal/"': b'0, url = "' + PUBLIC + b'/"',
            b"0; http://app.internal/": b"0; " + PUBLIC + b"/",
        }.items():
            self.assertEqual(self.origins.rewrite_refresh(value, PUBLIC), expected, value)
        for value in (b"5", b"5; url=/x", b"5; url=http://other.example/", b"", b"nonsense"):
            self.assertIs(self.origins.rewrite_refresh(value, PUBLIC), value)
