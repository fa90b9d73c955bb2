"""
The gateway's CA as files that clients and administrators install: PEM, DER, an Apple profile, scripts, a Firefox policy.

Made from the bytes of certificates alone, and never from a key: nothing here can tell a secret. Scripts hold base64 and
hexadecimal digits of ours and no text from anywhere else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import plistlib
import textwrap
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

_SPACE = uuid.UUID("5e5a0a52-4e6f-4f0f-9b1a-3d3b8e5f7c21")


class PublishedCa(Protocol):
    """One CA that clients are to trust; L{gateway.net.authority.Published} is one."""

    @property
    def name(self) -> str:
        """Its name, for people."""

    @property
    def der(self) -> bytes:
        """The certificate."""

    @property
    def root(self) -> bool:
        """Whether it is a root; an intermediate is installed as such."""

    @property
    def signs_from(self) -> datetime:
        """From when certificates signed by it are shown."""

    @property
    def expires(self) -> datetime:
        """When it ends."""

    @property
    def signs(self) -> bool:
        """Whether it signs already."""


@dataclass(frozen=True, slots=True)
class Format:
    """
    A kind of file.

    @ivar file: its usual name.
    @ivar media: its media type.
    @ivar what: what it is for, in a few words.
    @ivar several: whether one file holds all published CAs; otherwise the one that signs.
    @ivar write: makes it; takes at least one.
    """

    name: str
    file: str
    media: str
    what: str
    several: bool
    write: Callable[[Sequence[PublishedCa]], bytes]


def fingerprint(one: PublishedCa) -> str:
    """Give the SHA-256 of the certificate as people compare it."""
    return hashlib.sha256(one.der).digest().hex(":").upper()


def as_pem(one: PublishedCa) -> str:
    """Give the certificate as PEM (RFC 7468)."""
    lines = textwrap.wrap(base64.b64encode(one.der).decode(), 64)
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----\n"))


def _pem(published: Sequence[PublishedCa]) -> bytes:
    return "".join(as_pem(one) for one in published).encode()


def _der(published: Sequence[PublishedCa]) -> bytes:
    return published[0].der


def _mobileconfig(published: Sequence[PublishedCa]) -> bytes:
    """Write a configuration profile of Apple's; the same CA gives the same identifiers, so a new profile replaces."""
    contents = []
    for one in published:
        identifier = str(uuid.uuid5(_SPACE, fingerprint(one))).upper()
        contents.append(
            {
                "PayloadType": "com.apple.security.root"
                if one.root
                else "com.apple.security.pkcs1",
                "PayloadVersion": 1,
                "PayloadIdentifier": f"gateway.ca.{identifier}",
                "PayloadUUID": identifier,
                "PayloadDisplayName": one.name,
                "PayloadDescription": f"SHA-256 {fingerprint(one)}",
                "PayloadCertificateFileName": "gateway-ca.crt",
                "PayloadContent": one.der,
            }
        )
    whole = "".join(fingerprint(one) for one in published)
    return plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadVersion": 1,
            "PayloadIdentifier": "gateway.ca",
            "PayloadUUID": str(uuid.uuid5(_SPACE, whole)).upper(),
            "PayloadDisplayName": published[0].name,
            "PayloadDescription": "Lets this device trust the certificates of the web gateway.",
            "PayloadRemovalDisallowed": False,
            "PayloadContent": contents,
        }
    )


def _powershell(published: Sequence[PublishedCa]) -> bytes:
    """Write a script for the machine's store; CRLF, as editors of Windows like it."""
    entries = ",\n".join(
        f"  @('{'Root' if one.root else 'CA'}', '{base64.b64encode(one.der).decode()}')"
        for one in published
    )
    script = f"""\
# Installs the web gateway's CA for all users of this computer. Run as administrator, or as a computer startup
# script of a group policy.
$ErrorActionPreference = 'Stop'
$certificates = @(
{entries}
)
foreach ($entry in $certificates) {{
  $certificate = New-Object Security.Cryptography.X509Certificates.X509Certificate2 -ArgumentList @(,[Convert]::FromBase64String($entry[1]))
  $store = New-Object Security.Cryptography.X509Certificates.X509Store -ArgumentList $entry[0], 'LocalMachine'
  $store.Open('ReadWrite')
  try {{ $store.Add($certificate) }} finally {{ $store.Close() }}
  Write-Output ('installed: ' + $certificate.Thumbprint)
}}
"""
    # A list of one list is unrolled by @() unless a comma stands before it.
    if len(published) == 1:
        script = script.replace("@(\n  @(", "@(\n  ,@(")
    return script.replace("\n", "\r\n").encode()


def _shell(published: Sequence[PublishedCa]) -> bytes:
    """Write a script for the stores of the common Linux distributions."""
    # update-ca-certificates takes one certificate a file.
    files = "".join(
        f"cat > \"$folder/gateway-ca-{hashlib.sha256(one.der).hexdigest()[:16]}.crt\" <<'END'\n{as_pem(one)}END\n"
        for one in published
    )
    return f"""\
#!/bin/sh
# Installs the web gateway's CA for all programs of this machine that use the system's store. Run as root.
set -eu
if command -v update-ca-certificates >/dev/null; then
  folder=/usr/local/share/ca-certificates
  command=update-ca-certificates
elif command -v update-ca-trust >/dev/null; then
  folder=/etc/pki/ca-trust/source/anchors
  [ -d "$folder" ] || folder=/etc/ca-certificates/trust-source/anchors
  command=update-ca-trust
else
  echo "neither update-ca-certificates nor update-ca-trust is here" >&2
  exit 1
fi
mkdir -p "$folder"
{files}"$command"
""".encode()


def _firefox(published: Sequence[PublishedCa]) -> bytes:
    """Write a policies.json: the file itself lies beside it, as one PEM."""
    policy = {"Certificates": {"ImportEnterpriseRoots": True, "Install": ["gateway-ca.pem"]}}
    return json.dumps({"policies": policy}, indent=2).encode() + b"\n"


FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format(
            "pem",
            "gateway-ca.pem",
            "application/x-pem-file",
            "Linux, Firefox, curl and most programs",
            True,
            _pem,
        ),
        Format(
            "der",
            "gateway-ca.crt",
            "application/x-x509-ca-cert",
            "Windows, Android, Java",
            False,
            _der,
        ),
        Format(
            "mobileconfig",
            "gateway-ca.mobileconfig",
            "application/x-apple-aspen-config",
            "iPhone, iPad and Mac",
            True,
            _mobileconfig,
        ),
        Format(
            "powershell",
            "gateway-ca.ps1",
            "text/plain; charset=utf-8",
            "a script for Windows, by hand or by group policy",
            True,
            _powershell,
        ),
        Format(
            "shell",
            "gateway-ca.sh",
            "text/plain; charset=utf-8",
            "a script for Linux",
            True,
            _shell,
        ),
        Format(
            "firefox",
            "policies.json",
            "application/json",
            "a policy for Firefox",
            True,
            _firefox,
        ),
    )
}
"""By name, as C{gateway ca export --format} takes them."""


#: The file with the second of two published CAs in formats that hold one alone.
NEXT_FILE = "gateway-ca-next.crt"


def export(name: str, published: Sequence[PublishedCa]) -> bytes:
    """
    Make a file.

    @param name: one of L{FORMATS}.
    @param published: at least one, the one that signs first.
    """
    return FORMATS[name].write(published)
