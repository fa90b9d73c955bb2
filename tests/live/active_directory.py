"""
A real Active Directory for live tests: a Samba domain controller, provisioned once per process and ended with it.

L{domain} gives it. It listens on a loopback address of its own with the ports of a domain controller, which needs root;
everything it writes is in a folder of its own but for winbindd's socket, which C{ntlm_auth} looks for in one place only. To
provision takes some 10 to 30 seconds, so tests that share it are in modules that run in the same process.

Users C{alice}, C{bob}, C{carol}, C{disabled} and C{svc-gw} have the password C{Passw0rd.NAME}; C{gw-users} has alice and bob,
C{gw-admins} alice, C{gw-nested} has C{gw-admins}.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from twisted.trial.unittest import SkipTest

from tests.live.processes import program_path, until

REALM = "GWTEST.LAN"
DOMAIN = "GWTEST"
BASE = "DC=gwtest,DC=lan"
#: Where Debian's C{ntlm_auth} looks for winbindd.
WINBIND = Path("/run/samba/winbindd")

USERS = ("alice", "bob", "carol", "disabled", "svc-gw")
GROUPS = {"gw-users": "alice,bob", "gw-admins": "alice", "gw-nested": "gw-admins"}
#: The service principal, and so the name of the gateway.
GATEWAY = "gateway.gwtest.lan"

_PORTS = (389, 88, 445, 636)

_SMB = """[global]
    netbios name = DC1
    realm = {realm}
    workgroup = {domain}
    server role = active directory domain controller
    server services = rpc, ldap, cldap, kdc, winbindd, s3fs
    interfaces = {address}/8
    bind interfaces only = yes
    pid directory = {folder}/run
    lock directory = {folder}/lock
    state directory = {folder}/state
    cache directory = {folder}/cache
    private dir = {folder}/private
    ncalrpc dir = {folder}/ncalrpc
    winbindd socket directory = {winbind}
    ntp signd socket directory = {folder}/run/ntp
    log file = {folder}/log/%m.log
    ldap server require strong auth = no
    ntlm auth = mschapv2-and-ntlmv2-only
    dns update command = /bin/true
    disable spoolss = yes
    load printers = no
[sysvol]
    path = {folder}/state/sysvol
    read only = no
[netlogon]
    path = {folder}/state/sysvol/gwtest.lan/scripts
    read only = no
"""

_KRB5 = """[libdefaults]
 default_realm = {realm}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 rdns = false
 dns_canonicalize_hostname = false
 udp_preference_limit = 1
[realms]
 {realm} = {{
  kdc = {address}
 }}
[domain_realm]
 .gwtest.lan = {realm}
 gwtest.lan = {realm}
"""


class ActiveDirectory:
    """
    One running domain controller.

    @ivar address: where it listens, with the usual ports.
    @ivar folder: its files.
    @ivar keytab: the gateway's keys.
    @ivar ca: the authority of its certificate, which is for C{dc1.gwtest.lan}.
    @ivar environment: for Kerberos clients and servers, and for Samba's programs.
    @ivar seconds: how long it took to be there.
    """

    def __init__(self) -> None:
        begun = time.monotonic()
        self.folder = Path(tempfile.mkdtemp(prefix="gateway-ad-"))
        self.folder.chmod(0o755)
        self.address = _free_address()
        self.keytab = self.folder / "http.keytab"
        self.ca = self.folder / "private/tls/ca.pem"
        self.environment = {
            "KRB5_CONFIG": str(self.folder / "krb5.conf"),
            "SMB_CONF_PATH": str(self.folder / "smb.conf"),
        }
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)
        try:
            self._provision()
            self._start()
        except BaseException:
            self.stop()
            raise
        self.seconds = time.monotonic() - begun

    def tool(self, *arguments: str) -> str:
        """
        Run C{samba-tool} and give what it prints.

        @raise AssertionError: it fails.
        """
        return _run(
            [program_path("samba-tool"), *arguments, "-s", self.environment["SMB_CONF_PATH"]],
            self.environment,
        )

    def stop(self) -> None:
        """End it and remove its files; harmless twice."""
        process, self._process = self._process, None
        if process is not None:
            for number, seconds in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
                    break
            # Its children have left the group of the one that was started.
            until(lambda: not self._end_children(), 10.0, "the end of the domain controller")
            shutil.rmtree(WINBIND, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _provision(self) -> None:
        folder = self.folder
        for name in ("run", "lib", "state", "cache", "log", "lock", "ncalrpc", "private"):
            (folder / name).mkdir()
        where = {
            "folder": folder,
            "address": self.address,
            "winbind": WINBIND,
            "realm": REALM,
            "domain": DOMAIN,
        }
        (folder / "krb5.conf").write_text(_KRB5.format(**where))
        empty = folder / "empty.conf"
        empty.write_text("[global]\n")
        options = [
            line.strip()
            for line in _SMB.format(**where).splitlines()
            if " directory =" in line or " dir =" in line or "interfaces" in line
        ]
        _run(
            [
                *(program_path("samba-tool"), "domain", "provision"),
                *("--use-rfc2307", "--server-role=dc", "--dns-backend=NONE"),
                *(f"--realm={REALM}", f"--domain={DOMAIN}", "--adminpass=Passw0rd.admin"),
                *("--host-name=dc1", f"--host-ip={self.address}", f"--targetdir={folder}"),
                *(f"--option={option}" for option in options),
            ],
            {**self.environment, "SMB_CONF_PATH": str(empty)},
        )
        (folder / "smb.conf").write_text(_SMB.format(**where))
        for user in USERS:
            self.tool("user", "create", user, f"Passw0rd.{user}")
        self.tool("user", "disable", "disabled")
        for group, members in GROUPS.items():
            self.tool("group", "add", group)
            self.tool("group", "addmembers", group, members)
        self.tool("spn", "add", f"HTTP/{GATEWAY}", "svc-gw")
        self.tool("domain", "exportkeytab", str(self.keytab), f"--principal=HTTP/{GATEWAY}")

    def _start(self) -> None:
        with (self.folder / "output").open("wb") as sink:
            self._process = subprocess.Popen(
                [
                    *(program_path("samba"), "-F", "--no-process-group"),
                    *("-s", self.environment["SMB_CONF_PATH"]),
                ],
                # It ends with us, however we end: it looks whether this is still open.
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **self.environment},
            )

        def there() -> bool:
            for port in _PORTS:
                with socket.socket() as probe:
                    if probe.connect_ex((self.address, port)):
                        return False
            return (WINBIND / "pipe").exists()

        until(there, 60.0, "the domain controller")

    def _end_children(self) -> int:
        """
        End what writes to our file of output: only processes of this one controller.

        @return: how many there still were.
        """
        own = str(self.folder / "output")
        found = 0
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                number = int(entry.name)
                if os.readlink(entry / "fd/1") == own:
                    os.kill(number, signal.SIGKILL)
                    found += 1
        return found


_running: ActiveDirectory | None = None


def domain() -> ActiveDirectory:
    """
    Give the domain controller, and start it if nobody has.

    @raise SkipTest: we are not root, or the machine has a winbindd of its own.
    """
    global _running
    if _running is None:
        if os.geteuid():
            raise SkipTest("a domain controller needs root")
        if _answers(WINBIND / "pipe"):
            raise SkipTest("this machine has a winbindd of its own")
        _running = ActiveDirectory()
    return _running


def _free_address() -> str:
    """
    Give a loopback address on which nobody is a domain controller.

    @raise AssertionError: there is none.
    """
    for number in range(88, 120):
        address = f"127.0.{number}.1"
        with contextlib.ExitStack() as probes:
            try:
                for port in _PORTS:
                    probe = probes.enter_context(socket.socket())
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((address, port))
            except OSError:
                continue
            return address
    raise AssertionError("no address is free for a domain controller")


def _answers(path: Path) -> bool:
    """Tell whether somebody listens on a unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stdout[-1500:]} {done.stderr[-1500:]}")
    return done.stdout
