"""What the tests of cookie mode and the login page share: a gateway with those alone, and people's browsers."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.settings import Secret
from gateway.testing import FakeGateway
from gateway_auth.cookie_settings import CookieSettings
from gateway_auth.tests.browser import KEY, Browser, Front, FrontSettings

PAGE = "http://www.example.com/page?a=1&b=%20"
OTHER = "http://other.example.com/"
HOURS_8 = 28800.0


class CookieCase(SynchronousTestCase):
    """A gateway with cookies and forms alone, and people's browsers."""

    def gateway(self, mode: Any = "forward", keys: str = KEY, **cookies: Any) -> FakeGateway:
        """Start a gateway; two with the same key are two nodes."""
        settings = FrontSettings(CookieSettings(keys=Secret(keys) if keys else None, **cookies))
        gateway = FakeGateway(Front, settings, mode=mode)
        self.addCleanup(gateway.stop)
        for url in (PAGE, OTHER, "http://www.example.com/", "http://www.example.com:8080/"):
            gateway.origin[url] = b"the page"
        return gateway

    def front(self, gateway: FakeGateway) -> Front:
        """Give the plugin."""
        plugin = gateway.plugin
        assert isinstance(plugin, Front)
        return plugin

    def browser(self, *gateways: FakeGateway, **more: Any) -> Browser:
        """Give a browser that asks these gateways in turn."""
        return Browser(list(gateways), **more)

    def grant(self, browser: Browser, url: str = PAGE) -> str:
        """Give the URL with a grant that a signed-in browser is sent to, without going there."""
        wish = browser.ask("GET", url).fields.get("location") or ""
        return browser.ask("GET", wish).fields.get("location") or ""

    def cookie(self, browser: Browser, host: str = "www.example.com") -> str:
        """Give the value of the cookie that names the user."""
        return browser.jar[host, "gateway-auth"]
