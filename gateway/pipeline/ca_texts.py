"""
How each kind of client learns to trust the gateway's CA: the words of the page that offers it.

Words only. Names of files are those of L{gateway.pipeline.ca_formats}.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Platform:
    """
    One kind of client.

    @ivar title: its name, a heading.
    @ivar formats: the files it takes, the fittest first; names of L{gateway.pipeline.ca_formats.FORMATS}.
    @ivar steps: what to do, in order; what stands between back quotes is typed.
    @ivar code: lines to copy; empty if there are none.
    """

    anchor: str
    title: str
    formats: tuple[str, ...]
    steps: tuple[str, ...]
    code: str = ""


PLATFORMS: tuple[Platform, ...] = (
    Platform(
        "windows",
        "Windows",
        ("der", "powershell"),
        (
            "One computer: open the file, choose Install Certificate, Local Machine, and the store "
            "Trusted Root Certification Authorities.",
            "The same on the command line, as administrator: the first line below; or the script.",
            "Many computers: in a group policy, import the file under Computer Configuration, Policies, "
            "Windows Settings, Security Settings, Public Key Policies, Trusted Root Certification Authorities.",
        ),
        "certutil -addstore -f Root gateway-ca.crt\n"
        "powershell -ExecutionPolicy Bypass -File gateway-ca.ps1",
    ),
    Platform(
        "macos",
        "macOS",
        ("mobileconfig", "pem"),
        (
            "Open the profile, then install it under System Settings, General, Device Management.",
            "Or on the command line:",
        ),
        "sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain gateway-ca.pem",
    ),
    Platform(
        "ios",
        "iPhone and iPad",
        ("mobileconfig",),
        (
            "Open the profile in Safari, then install it under Settings, Profile Downloaded.",
            "Then switch it on: Settings, General, About, Certificate Trust Settings.",
        ),
    ),
    Platform(
        "android",
        "Android",
        ("der",),
        (
            "Save the file, then: Settings, Security, More security settings, Install from device storage, "
            "CA certificate.",
            "Browsers take it; other apps trust it only if their makers allow that, or if the device is managed.",
        ),
    ),
    Platform(
        "linux",
        "Linux",
        ("pem", "shell"),
        (
            "The script does it for the distributions below, as root. By hand (while there are two certificates "
            "each has to have a file of its own): Debian and Ubuntu, then Fedora and Red Hat, then Arch:",
        ),
        "cp gateway-ca.pem /usr/local/share/ca-certificates/gateway-ca.crt && update-ca-certificates\n"
        "cp gateway-ca.pem /etc/pki/ca-trust/source/anchors/ && update-ca-trust\n"
        "trust anchor gateway-ca.pem",
    ),
    Platform(
        "firefox",
        "Firefox",
        ("pem", "firefox"),
        (
            "On Windows and macOS it takes what the system trusts.",
            "By hand: Settings, Privacy & Security, View Certificates, Authorities, Import; tick trust for websites.",
            "By policy: put `policies.json` into `/etc/firefox/policies/` and `gateway-ca.pem` into "
            "`/usr/lib/mozilla/certificates/`, or into the folder that Firefox's documentation names for your system.",
        ),
    ),
    Platform(
        "java",
        "Java",
        ("der",),
        ("Each Java has a store of its own; its password is `changeit` unless somebody did.",),
        "keytool -importcert -noprompt -trustcacerts -cacerts -storepass changeit -alias gateway-ca "
        "-file gateway-ca.crt",
    ),
    Platform(
        "tools",
        "Programs with a list of their own",
        ("pem",),
        (
            "Where a program doesn't ask the system, name the file. A list that replaces the program's own has to "
            "hold the public CAs too: on Linux, name the system's after installing the CA there, as the first five "
            "lines do (Debian and Ubuntu; elsewhere `/etc/pki/tls/certs/ca-bundle.crt`).",
        ),
        "export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt\n"
        "export CURL_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt\n"
        "export REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt\n"
        "export PIP_CERT=/etc/ssl/certs/ca-certificates.crt\n"
        "git config --global http.sslCAInfo /etc/ssl/certs/ca-certificates.crt\n"
        "export NODE_EXTRA_CA_CERTS=$HOME/gateway-ca.pem\n"
        "npm config set cafile /etc/ssl/certs/ca-certificates.crt",
    ),
)
