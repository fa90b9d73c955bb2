"""
A real directory server for live tests and benchmarks: slapd with a few or many users, ready in less than a second.

Everything of it is in one folder; that of a test ends with the test.
"""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from twisted.trial.unittest import SynchronousTestCase

from gateway_auth.names import escape_dn
from tests.live.processes import Program, free_port, made_folder, program_path
from tests.unit.net.certificates import authority, issue

BASE = "dc=example,dc=test"
PEOPLE = f"ou=people,{BASE}"
GROUPS = f"ou=groups,{BASE}"
#: A user whose name would change the meaning of a filter that it is put into as it is.
PROBE = "eve*)(uid=*"

#: The service account.
ACCOUNT = f"cn=gateway,{BASE}"
ACCOUNT_PASSWORD = "a password of the account"

#: The file of the authority that signed the server's certificate.
CA = "ca.pem"
_CONFIG = "slapd.conf"


class Slapd:
    """
    OpenLDAP: users C{alice}, C{bob}, C{carol} and L{PROBE}, with the name and C{pw} as the password, and groups.

    C{alice} is in C{admins}, these are in C{staff}, and these with C{bob} in C{all}, which is in C{admins} again: a circle.

    @ivar plain: port for C{ldap}; C{secure}: for C{ldaps}.
    @ivar ca: file of the authority of its certificate, which is for C{localhost} and C{127.0.0.1}.
    """

    def __init__(
        self,
        test: SynchronousTestCase,
        *,
        memberof: bool = False,
        policy: bool = False,
        ports: tuple[int, int] | None = None,
        debug: str = "0",
    ) -> None:
        """
        Make it and start it.

        @param memberof: with the overlay that writes C{memberOf}.
        @param policy: with password policies: C{bob}'s account is locked, C{carol} has to change the password.
        @param debug: what it prints, such as C{stats}: who binds, and what is searched for.
        """
        self._test = test
        self._debug = debug
        self.folder = made_folder(test)
        self.plain, self.secure = ports or (free_port(), free_port())
        self.ca = self.folder / CA
        prepare(self.folder, memberof=memberof, policy=policy)
        self.start()

    def start(self) -> None:
        """Start it, again if it was stopped."""
        self.program = Program(
            self._test,
            command(self.folder, self.plain, self.secure, self._debug),
            folder=self.folder,
        )
        self.program.listens(self.plain, self.secure)


def command(folder: Path, plain: int, secure: int, debug: str = "0") -> list[str]:
    """Give what starts a slapd that was prepared, on these ports."""
    where = f"ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{secure}"
    return [program_path("slapd"), "-d", debug, "-f", str(folder / _CONFIG), "-h", where]


def prepare(folder: Path, *, users: int = 0, memberof: bool = False, policy: bool = False) -> None:
    """
    Write certificates, configuration and entries of a slapd; the authority is in the file L{CA}.

    @param users: further users C{user0}, C{user1}, ... with the name and C{pw} as the password, and 50 groups of them.
    @raise AssertionError: slapd takes something of it for wrong.
    """
    (folder / "db").mkdir()
    above = authority("Authority of the directory")
    made = issue("localhost", above, ["localhost", "127.0.0.1"])
    (folder / CA).write_bytes(above.certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(made.pem)
    config, ldif = folder / _CONFIG, folder / "entries.ldif"
    config.write_text(_configuration(folder, memberof=memberof, policy=policy))
    ldif.write_text("\n".join(_entries(users, policy=policy)))
    added = subprocess.run(
        [program_path("slapadd"), "-q", "-f", str(config), "-l", str(ldif)],
        check=False,
        capture_output=True,
    )
    if added.returncode:
        raise AssertionError(added.stderr.decode())


def _configuration(folder: Path, *, memberof: bool, policy: bool) -> str:
    schema = Path("/etc/ldap/schema")
    lines = [
        "modulepath /usr/lib/ldap",
        "moduleload back_mdb",
        *(["moduleload memberof"] if memberof else []),
        *(["moduleload ppolicy"] if policy else []),
        *(f"include {schema / name}.schema" for name in ("core", "cosine", "nis", "inetorgperson")),
        f"pidfile {folder}/pid",
        f"TLSCACertificateFile {folder / CA}",
        f"TLSCertificateFile {folder}/server.pem",
        f"TLSCertificateKeyFile {folder}/server.pem",
        "database mdb",
        f'suffix "{BASE}"',
        f'rootdn "cn=admin,{BASE}"',
        "rootpw adminpw",
        f"directory {folder}/db",
        "maxsize 67108864",
        "dbnosync",
        "index objectClass,uid,member,memberUid eq",
        *(["overlay memberof"] if memberof else []),
        *(
            ["overlay ppolicy", f'ppolicy_default "cn=default,{BASE}"', "ppolicy_use_lockout"]
            if policy
            else []
        ),
        "access to attrs=userPassword by anonymous auth by * none",
        'access to dn.base="" by * read',
        f'access to * by dn.base="{ACCOUNT}" read by self read by * none',
    ]
    return "\n".join(lines) + "\n"


def hashed(password: str) -> str:
    """Give a password as slapd stores it."""
    salt = os.urandom(8)
    digest = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


def _entries(users: int, *, policy: bool) -> Iterable[str]:
    def entry(dn: str, classes: Iterable[str], values: Mapping[str, str | list[str]]) -> str:
        lines = [f"dn:: {base64.b64encode(dn.encode()).decode()}"]
        lines += [f"objectClass: {one}" for one in classes]
        for name, value in values.items():
            for one in [value] if isinstance(value, str) else value:
                lines.append(f"{name}:: {base64.b64encode(one.encode()).decode()}")
        return "\n".join(lines) + "\n"

    def person(name: str, rdn: str = "", **more: str) -> str:
        return entry(
            f"uid={rdn or name},{PEOPLE}",
            ["inetOrgPerson"],
            {
                "uid": name,
                "cn": f"{name} Test",
                "sn": "Test",
                "mail": f"{name}@example.test" if name.isalnum() else "x@example.test",
                "userPassword": hashed(f"{name}pw"),
                **more,
            },
        )

    def group(name: str, *members: str) -> str:
        dn = f"cn={escape_dn(name)},{GROUPS}"
        return entry(dn, ["groupOfNames"], {"cn": name, "member": [*members]})

    yield entry(BASE, ["dcObject", "organization"], {"o": "example", "dc": "example"})
    for name in ("people", "groups"):
        yield entry(f"ou={name},{BASE}", ["organizationalUnit"], {"ou": name})
    yield entry(
        ACCOUNT,
        ["organizationalRole", "simpleSecurityObject"],
        {"cn": "gateway", "userPassword": hashed(ACCOUNT_PASSWORD)},
    )
    if policy:
        yield entry(
            f"cn=default,{BASE}",
            ["person", "pwdPolicy"],
            {
                "cn": "default",
                "sn": "default",
                "pwdAttribute": "userPassword",
                "pwdLockout": "TRUE",
                "pwdMustChange": "TRUE",
            },
        )
    for name in ("alice", "bob", "carol"):
        more = {}
        if policy and name == "bob":
            more["pwdAccountLockedTime"] = "000001010000Z"
        if policy and name == "carol":
            more["pwdReset"] = "TRUE"
        yield person(name, **more)
    yield person(PROBE, "eve\\2a)(uid=\\2a")
    for index in range(users):
        yield person(f"user{index}")
    yield group("admins", f"uid=alice,{PEOPLE}", f"cn=all,{GROUPS}")
    yield group("staff", f"cn=admins,{GROUPS}")
    yield group("all", f"cn=staff,{GROUPS}", f"uid=bob,{PEOPLE}")
    yield group("odd, really", f"uid=eve\\2a)(uid=\\2a,{PEOPLE}")
    yield entry(
        f"cn=printers,{GROUPS}",
        ["posixGroup"],
        {"cn": "printers", "gidNumber": "2000", "memberUid": ["alice", "carol"]},
    )
    for index in range(50 if users else 0):
        members = [f"uid=user{number},{PEOPLE}" for number in range(index, users, 50)]
        yield group(f"group{index}", *members)
