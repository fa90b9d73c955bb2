"""Tests of what the plugin says of its settings beside the rest of the configuration."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Caution, Listener, SettingFault, SettingPath, Surroundings
from gateway.api.settings import ConfigError, HostSet, NetworkSet
from gateway.testing import FakeGateway
from gateway_auth import Auth, AuthSettings
from gateway_auth.address_settings import AddressSettings
from gateway_auth.cookie_settings import CookieSettings
from gateway_auth.ldap_settings import LdapSettings, server_uri
from gateway_auth.negotiate import NegotiateSettings
from gateway_auth.ntlm import NtlmSettings
from gateway_auth.review import review
from gateway_auth.settings import NetworkRule, SiteSettings
from gateway_auth.tests.local_users import LocalUsersTestCase

LDAP = LdapSettings(uri=(server_uri("ldaps://dc1.example.com"),), base="dc=example,dc=com")
KEYTAB = NegotiateSettings(keytab="/etc/gateway/http.keytab")
PROXY = Listener("10.0.0.1:8080")
LOCAL = Listener("127.0.0.1:8080", is_local=True)
SECURE = Listener("10.0.0.1:8443", has_tls=True)
SITE = Listener("10.0.0.1:80", "reverse", hosts=("www.example.com",))


class ReviewTestCase(SynchronousTestCase):
    """Asks without a gateway."""

    def said(
        self,
        *listeners: Listener,
        decrypt: Any = "none",
        behind: tuple[str, ...] = (),
        **settings: Any,
    ) -> dict[SettingPath, str]:
        """Give what is said, by its key; nothing is said twice of one."""
        around = Surroundings(decrypt, listeners or (LOCAL,), behind)
        found = list(review(AuthSettings(**settings), around))
        self.assertEqual(len({one.key for one in found}), len(found))
        for one in found:
            self.assertIsInstance(one, Caution)
        return {one.key: one.what for one in found}


class SchemeTests(ReviewTestCase):
    """Schemes and who can use them."""

    def test_good(self) -> None:
        """Users of a directory on a proxy of this machine, or one with TLS, are nothing to talk about."""
        for listener in (LOCAL, SECURE, Listener("unix:/run/p", kind="unix", is_local=True)):
            self.assertEqual(self.said(listener, ldap=LDAP), {})

    def test_nobody_can_sign_in(self) -> None:
        """Where somebody is required and there is no scheme, all are refused."""
        self.assertIn("nobody can show who he is", self.said()["policy",])
        self.assertEqual(self.said(policy="optional"), {})
        rule = NetworkRule(NetworkSet.of("10.0.0.0/8"), policy="required")
        found = self.said(policy="off", networks=(rule,))
        self.assertEqual(list(found), [("networks", 0, "policy")])

    def test_schemes_without_settings(self) -> None:
        """A scheme in an order that can't be offered is told where it stands."""
        rule = NetworkRule(NetworkSet.of("10.0.0.0/8"), order=("ntlm", "basic"))
        found = self.said(ldap=LDAP, order=("basic", "digest"), networks=(rule,))
        self.assertEqual(list(found), [("order", 1), ("networks", 0, "order", 0)])
        self.assertIn("digest is not offered", found["order", 1])

    def test_ntlm(self) -> None:
        """NTLM is on if it is switched on and some order has it."""
        found = self.said(ntlm=NtlmSettings(enabled=True))
        self.assertIn("NTLM is on", found["ntlm", "enabled"])
        found = self.said(ntlm=NtlmSettings(enabled=True), negotiate=KEYTAB, order=("negotiate",))
        self.assertEqual(found, {})

    def test_directory_in_clear(self) -> None:
        """A directory that is asked without TLS is named."""
        uris = (server_uri("ldap://dc1.example.com"), server_uri("ldaps://dc2.example.com"))
        found = self.said(ldap=LdapSettings(uri=uris, base="dc=example,dc=com", plaintext=True))
        self.assertIn("go to ldap://dc1.example.com without TLS", found["ldap", "plaintext"])


class PasswordTests(ReviewTestCase):
    """Passwords on the way to the gateway."""

    def test_proxy(self) -> None:
        """Basic over a listener that others reach without TLS can be read."""
        found = self.said(PROXY, SECURE, ldap=LDAP)
        self.assertIn("passwords come in clear over 10.0.0.1:8080:", found["ldap",])
        self.assertEqual(self.said(PROXY, negotiate=KEYTAB), {})
        self.assertEqual(self.said(PROXY, ldap=LDAP, policy="off"), {})

    def test_sites(self) -> None:
        """So it is over a site whose users are asked, unless TLS ends at who is in front."""
        sites = SiteSettings(hosts=HostSet(["www.example.com"]))
        self.assertIn("over 10.0.0.1:80:", self.said(SITE, ldap=LDAP, sites=sites)["ldap",])
        self.assertEqual(self.said(SITE, ldap=LDAP), {})
        other = Listener("10.0.0.1:80", "reverse", hosts=("other.example.com",))
        self.assertEqual(self.said(other, ldap=LDAP, sites=sites), {})
        self.assertIn(
            ("ldap",),
            self.said(Listener("10.0.0.1:80", "reverse", hosts=("*",)), ldap=LDAP, sites=sites),
        )
        self.assertNotIn(
            ("ldap",), self.said(SITE, behind=("10.0.0.9/32",), ldap=LDAP, sites=sites)
        )

    def test_no_site(self) -> None:
        """Users of sites that are not there can't be asked."""
        sites = SiteSettings(hosts=HostSet(["www.example.com"]))
        self.assertEqual(list(self.said(ldap=LDAP, sites=sites)), [("sites", "hosts")])


class CookieTests(ReviewTestCase):
    """Cookie mode (U4)."""

    def cookie(self, *listeners: Listener, **more: Any) -> dict[SettingPath, str]:
        """Give what is said in cookie mode."""
        return self.said(*listeners, **{"ldap": LDAP, "cookie": 28800.0, **more})

    def test_nothing_is_decrypted(self) -> None:
        """Without decryption no https is known by a cookie, and it is said what is asked for then."""
        found = self.cookie()
        self.assertEqual(list(found), [("cookie",)])
        self.assertIn("a CONNECT is asked by Proxy-Authorization", found["cookie",])
        found = self.cookie(order=("cookie",))
        self.assertIn("there is no other scheme to ask a CONNECT by", found["cookie",])

    def test_tunnels(self) -> None:
        """C{tunnels} belongs to decryption: one without the other is told."""
        tunnels = CookieSettings(tunnels=HostSet(["*"]))
        for decrypt in ("rules", "all"):
            self.assertEqual(self.cookie(decrypt=decrypt, cookies=tunnels), {})
            found = self.cookie(decrypt=decrypt)
            self.assertEqual(list(found), [("cookies", "tunnels")])
        found = self.cookie(cookies=tunnels)
        self.assertIn("broken off, as nothing is decrypted", found["cookies", "tunnels"])

    def test_sites_alone(self) -> None:
        """In front of sites TLS ends here, so cookies are seen."""
        site = Listener("10.0.0.1:443", "reverse", has_tls=True, hosts=("www.example.com",))
        self.assertEqual(self.cookie(site), {})

    def test_own_host(self) -> None:
        """The host where users sign in can't be a site's: a fault."""
        site = Listener("10.0.0.1:443", "reverse", has_tls=True, hosts=("auth.gateway.local",))
        settings = AuthSettings(ldap=LDAP, cookie=28800.0)
        found = list(review(settings, Surroundings("all", (LOCAL, site))))
        (fault,) = [one for one in found if isinstance(one, SettingFault)]
        self.assertEqual(fault.key, ("cookies", "host"))
        self.assertNotIn(SettingFault, map(type, review(settings, Surroundings("all", (site,)))))


class AddressTests(ReviewTestCase):
    """The address cache."""

    def test_guard(self) -> None:
        """Without the guard users are taken for each other, if any address is believed."""
        off = AddressSettings(guard=False)
        self.assertEqual(list(self.said(ldap=LDAP, addresses=off)), [("addresses", "guard")])
        self.assertEqual(self.said(ldap=LDAP, addresses=off, ip_cache=0.0), {})

    def test_behind_proxies(self) -> None:
        """Behind trusted proxies an address is what they name, unless each connection says it."""
        found = self.said(behind=("10.0.0.5/32",), ldap=LDAP)
        self.assertIn("behind trusted proxies (10.0.0.5/32)", found["ip_cache",])
        self.assertEqual(self.said(behind=("10.0.0.5/32",), ldap=LDAP, ip_cache=0.0), {})
        named = Listener("127.0.0.1:8080", is_local=True, has_proxy_protocol=True)
        self.assertEqual(self.said(named, behind=("10.0.0.5/32",), ldap=LDAP), {})


class PluginTests(LocalUsersTestCase):
    """The plugin as the gateway loads it."""

    def test_contradiction(self) -> None:
        """U5: cookie mode and a scheme of connections on one network without an order are refused."""
        settings = {"cookie": "8h", "ntlm": {"enabled": True}}
        error = self.assertRaises(ConfigError, FakeGateway, Auth, settings)
        self.assertIn("say by order which comes first", str(error))

    def test_cautions(self) -> None:
        """What is said gets to the operator, with the whole name of the setting."""
        gateway = self.gateway(cookie="8h")
        (found,) = [text for text in gateway.cautions if "cookie" in text]
        self.assertTrue(
            found.startswith("plugins.auth.cookie: nobody is known by a cookie over https")
        )
