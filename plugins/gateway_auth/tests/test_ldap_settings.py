"""The settings of a directory: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.settings import BadValue, ConfigError, Secret
from gateway.testing import FakeGateway
from gateway_auth.ldap_settings import LdapSettings, distinguished_name, server_uri
from gateway_auth.plugin import Auth

BASE = "dc=Example,dc=com"


class UriTests(SynchronousTestCase):
    """Where a server is."""

    def test_read(self) -> None:
        """Scheme, host and port, and written as they were."""
        for text, port in (
            ("ldaps://dc1.example.com", 636),
            ("ldap://dc1.example.com", 389),
            ("ldap://192.0.2.1:3268", 3268),
            ("ldaps://[2001:db8::1]:3269", 3269),
        ):
            uri = server_uri(text)
            self.assertEqual((str(uri), uri.port), (text, port))
        self.assertEqual(server_uri("ldaps://[2001:db8::1]").host, "2001:db8::1")

    def test_refused(self) -> None:
        """What is no server, or more than one, and no credentials in it."""
        for text in (
            *("", "dc1.example.com", "https://dc1.example.com", "ldapi:///run/x", "ldaps://"),
            *("ldaps://user:pw@dc1", "ldaps://dc1/dc=x", "ldaps://dc1:x", "ldaps://dc1:99999"),
            *("ldaps://dc1?x", "ldaps://a b"),
        ):
            with self.assertRaises(BadValue, msg=text):
                server_uri(text)


class _Unstarted(Auth):
    """Asks nothing by itself: to start it looks the servers' names up, and where these are nobody knows."""

    async def start(self) -> None:
        """Do nothing."""


class SettingsTests(SynchronousTestCase):
    """C{[plugins.auth] ldap}."""

    def test_read(self) -> None:
        """What the manual shows is taken, and the domain is the base's."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "pw").write_text("secret-of-the-account\n")
        table = {
            "uri": ["ldaps://dc1.example.com", "ldaps://dc2.example.com"],
            "base": BASE,
            "bind_dn": "cn=gw,dc=example,dc=com",
            "password": {"file": str((folder / "pw").absolute())},
            "timeout": "3s",
            "group_cache": "2h",
        }
        with FakeGateway(_Unstarted, {"ldap": table}) as gateway:
            settings = gateway.plugin.settings.ldap
            self.assertEqual((settings.timeout, settings.group_cache), (3.0, 7200.0))
            self.assertEqual((settings.dns_domain, settings.netbios), ("example.com", "EXAMPLE"))
            self.assertNotIn("secret-of-the-account", repr(settings))
            gateway.clock.advance(60.0)

    def test_faults(self) -> None:
        """What can't work is refused with the configuration, not at the first login."""
        good = {"uri": ["ldaps://dc1.example.com"], "base": BASE}
        for wrong, words in (
            ({"uri": []}, "names no server"),
            ({"base": "example.com"}, "no distinguished name"),
            ({"bind_dn": "cn=gw"}, "needs a password"),
            ({"password": "open"}, "not written here"),
            ({"dn_template": "uid=alice,dc=x"}, "where the name stands"),
            ({"dn_template": "{user}"}, "no distinguished name"),
            ({"user_filter": "(uid=alice)"}, "where the name stands"),
            ({"user_filter": "uid={user}"}, "no filter"),
            ({"user_filter": "(uid={user})(x=y)"}, "no filter"),
            ({"user_filter": "(uid={other})(x={user})"}, "no filter"),
            ({"group_filter": "(a=b"}, "no filter"),
            ({"user_attribute": "uid)(x"}, "no attribute"),
            ({"ca": "/nowhere.pem"}, "can't be read"),
            ({"ca": __file__}, "no certificates"),
            ({"plaintext": True}, "no effect"),
            ({"group_name": "name"}, "not known here"),
            ({"bind": "x"}, "unknown key"),
        ):
            with self.assertRaises(ConfigError, msg=str(wrong)) as caught:
                FakeGateway(Auth, {"ldap": {**good, **wrong}})
            self.assertIn(words, str(caught.exception), str(wrong))

    def test_account(self) -> None:
        """A password without an account is a mistake."""
        with self.assertRaisesRegex(ValueError, "no bind_dn"):
            LdapSettings(uri=(server_uri("ldaps://a"),), base=BASE, password=Secret("x"))

    def test_names(self) -> None:
        """A distinguished name has no control characters."""
        with self.assertRaises(BadValue):
            distinguished_name("dc=exa\nmple")
