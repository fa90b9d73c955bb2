"""The plugin as it is configured and runs, with a directory server in memory at the far end of its connections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.api import Services
from gateway.testing import FakeGateway
from gateway_auth import Auth
from gateway_auth.settings import AuthSettings
from gateway_auth.tests.servers import ACCOUNT, ACCOUNT_PASSWORD, BASE, FakeServer


def gateway_with(
    server: FakeServer, folder: Path, mode: Any = "forward", **settings: object
) -> FakeGateway:
    """
    Start a gateway with the whole plugin.

    Nothing of the plugin is replaced but what opens a connection: whatever it asks of its directory comes to the server.

    @param folder: for the file with the account's password.
    @param settings: of the plugin, beside those of the directory.
    """
    password = folder / "password"
    password.write_text(ACCOUNT_PASSWORD)
    ldap = {
        "uri": ["ldaps://192.0.2.53"],
        "base": BASE,
        "bind_dn": ACCOUNT,
        "password": {"file": str(password)},
    }

    class Answered(Auth):
        """The plugin before it is started: from then on it asks by itself how groups name their members."""

        def __init__(self, settings: AuthSettings, services: Services) -> None:
            super().__init__(settings, services)
            directory = self._parts.directory
            assert directory is not None
            for one in directory._servers.servers:
                one.pool._connect = server.connect

    return FakeGateway(Answered, {"ldap": ldap, **settings}, mode=mode)
