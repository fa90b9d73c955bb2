"""
A real Kerberos realm for live tests: MIT's KDC with the realm EXAMPLE.TEST, started by a test and ended with it.

Users C{alice} and C{bob} have the password C{NAMEpw}. The gateway is C{HTTP/gateway.example.test}, or C{HTTP/localhost}.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.processes import Program, free_port, made_folder, program_path

REALM = "EXAMPLE.TEST"

_KRB5 = """[libdefaults]
 default_realm = {realm}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 rdns = false
 dns_canonicalize_hostname = false
 udp_preference_limit = 1
[realms]
 {realm} = {{
  kdc = 127.0.0.1:{port}
 }}
 OTHER.TEST = {{
  kdc = 127.0.0.1:{port}
 }}
[domain_realm]
 localhost = {realm}
 .example.test = {realm}
[logging]
 kdc = FILE:{folder}/kdc.log
"""

_KDC = """[kdcdefaults]
 kdc_listen = 127.0.0.1:{port}
 kdc_tcp_listen = 127.0.0.1:{port}
[realms]
 {realm} = {{
  database_name = {folder}/principal
  key_stash_file = {folder}/stash
  acl_file = {folder}/acl
  max_life = 10h
 }}
"""


class KerberosRealm:
    """
    One running KDC.

    @ivar keytab: the gateway's keys, as C{HTTP/gateway.example.test} and C{HTTP/localhost}.
    @ivar environment: for its clients and servers.
    """

    def __init__(self, test: SynchronousTestCase) -> None:
        """Make the realm and start its KDC; it ends with the test."""
        self.folder = made_folder(test)
        self.keytab = self.folder / "http.keytab"
        where = {"folder": self.folder, "port": free_port(), "realm": REALM}
        self.environment = {"KRB5_CONFIG": str(self.folder / "krb5.conf")}
        self._own = {**self.environment, "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf")}
        (self.folder / "krb5.conf").write_text(_KRB5.format(**where))
        (self.folder / "kdc.conf").write_text(_KDC.format(**where))
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "masterpw")
        for user in ("alice", "bob"):
            self.admin(f"addprinc -pw {user}pw {user}")
        for host in ("gateway.example.test", "localhost"):
            self.service(f"HTTP/{host}", self.keytab)
        kdc = Program(
            test,
            [program_path("krb5kdc"), "-n", "-P", str(self.folder / "kdc.pid")],
            folder=made_folder(test),
            environment=self._own,
        )
        kdc.listens(where["port"])  # type: ignore[arg-type]

    def admin(self, query: str) -> str:
        """Change the database, by a command of C{kadmin.local}."""
        return self._run("kadmin.local", "-q", query)

    def service(self, principal: str, keytab: Path) -> None:
        """Make a service with a random key, and put that into a keytab."""
        self.admin(f"addprinc -randkey {principal}")
        self.admin(f"ktadd -k {keytab} {principal}")

    def login(self, user: str, password: str = "") -> dict[str, str]:
        """Get a ticket for a user, and give the environment in which programs are that user."""
        return kinit(self.folder, self.environment, user, password or f"{user}pw")

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            [program_path(command[0]), *command[1:]],
            env={**os.environ, **self._own},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stdout} {done.stderr}")
        return done.stdout


def kinit(folder: Path, environment: dict[str, str], user: str, password: str) -> dict[str, str]:
    """
    Get a ticket for a user, into a cache of its own.

    @return: the environment in which programs are that user.
    @raise AssertionError: the KDC gives none.
    """
    mine = {**environment, "KRB5CCNAME": f"FILE:{folder}/cache-{user.partition('@')[0]}"}
    done = subprocess.run(
        [program_path("kinit"), user],
        input=f"{password}\n",
        env={**os.environ, **mine},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"kinit {user}: {done.stdout} {done.stderr}")
    return mine
