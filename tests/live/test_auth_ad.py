"""Users of an Active Directory: a Samba domain controller, asked by LDAP. Slow to start, so most is in one test."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from gateway.api.settings import Secret
from gateway_auth.directory import Directory
from gateway_auth.ldap_wire import SocketAddress
from gateway_auth.verifier import Refused, Unavailable, Verified
from tests.live.active_directory import BASE, DOMAIN, ActiveDirectory, domain
from tests.live.directory_case import DirectoryCase

#: What alice is in, by a group within a group and by her primary group too.
ALICES = frozenset(("gw-users", "gw-admins", "gw-nested", "Domain Users"))


class ActiveDirectoryTests(DirectoryCase):
    """Logins, groups and refusals as Active Directory tells them."""

    timeout = 240

    def setUp(self) -> None:
        """Start the domain controller, once."""
        super().setUp()
        self.controller: ActiveDirectory = domain()

    def domain_directory(self, *, scheme: str = "ldaps", **values: Any) -> Directory:
        """Make a directory that asks the controller by the name in its certificate."""

        def resolve(host: str, port: int) -> Sequence[SocketAddress]:
            return [(socket.AF_INET, (self.controller.address, port))]

        return self.directory(
            f"{scheme}://dc1.gwtest.lan",
            resolve=resolve,
            base=BASE,
            ca=str(self.controller.ca),
            **values,
        )

    def account(self) -> dict[str, Any]:
        """Give the settings of a service account."""
        return {"bind_dn": "svc-gw@gwtest.lan", "password": Secret("Passw0rd.svc-gw")}

    async def test_forms(self) -> None:
        """With a service account and without, by TLS and StartTLS, each form of a name is the same user."""
        forms = ("alice", "ALICE", "alice@gwtest.lan", "Alice@GWTEST.LAN", f"{DOMAIN}\\alice")
        for scheme in ("ldaps", "ldap"):
            for account in (True, False):
                directory = self.domain_directory(
                    scheme=scheme, account=account, **(self.account() if account else {})
                )
                for name in forms:
                    self.assertEqual(
                        await directory.verify(name, "Passw0rd.alice"), Verified("alice", ALICES)
                    )
                for name in ("alice@other.lan", "OTHER\\alice", "nobody", "ali*", "alice)(cn=*"):
                    # Who binds by the name itself may be told no more than that it was wrong.
                    self.assertIn(
                        await self.refused(directory, name, "Passw0rd.alice"),
                        ("unknown_user",) if account else ("unknown_user", "wrong_password"),
                        name,
                    )

    async def test_groups(self) -> None:
        """Nested groups come by the matching rule, direct ones without it; names can be whole ones."""
        directory = self.domain_directory(**self.account())
        self.assertEqual(await directory.groups("alice@GWTEST.LAN"), ALICES)
        self.assertEqual(
            await directory.groups("bob@GWTEST.LAN"), frozenset(("gw-users", "Domain Users"))
        )
        self.assertEqual(await directory.canonical(f"{DOMAIN}\\Bob"), "bob")
        direct = self.domain_directory(**self.account(), nested=False)
        self.assertEqual(await direct.groups("alice"), ALICES - {"gw-nested"})
        whole = self.domain_directory(**self.account(), group_name="dn")
        self.assertIn(f"CN=gw-nested,CN=Users,{BASE}", await whole.groups("alice"))

    async def test_refusals(self) -> None:
        """The log can tell why, though the controller says invalidCredentials to nearly all."""
        for name, option in (("must-change", "--must-change-at-next-login"), ("gone", "")):
            self.controller.tool(
                "user", "create", name, f"Passw0rd.{name}", *([option] if option else [])
            )
            self.addCleanup(self.controller.tool, "user", "delete", name)
        self.controller.tool("user", "setexpiry", "gone", "--days=-1")
        directory = self.domain_directory(**self.account())
        for name, reason in (
            ("alice", "wrong_password"),
            ("disabled", "disabled"),
            ("must-change", "expired"),
            ("gone", "expired"),
            ("nobody", "unknown_user"),
        ):
            password = "wrong" if name == "alice" else f"Passw0rd.{name}"
            self.assertEqual(await self.refused(directory, name, password), reason, name)
        with self.assertRaises(Refused) as caught:
            await directory.groups("disabled@GWTEST.LAN")
        self.assertEqual(caught.exception.reason, "disabled")

    async def test_without_account(self) -> None:
        """Who was not verified by a password can't be looked up without a service account."""
        directory = self.domain_directory(account=False)
        with self.assertRaises(Unavailable):
            await directory.groups("alice@GWTEST.LAN")
        self.assertFalse(directory.is_down)
