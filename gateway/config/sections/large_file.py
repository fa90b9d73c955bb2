"""C{[scan] large_file}: what a client gets while the content that it asked for is being held and scanned."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from gateway.config.hosts import HostSet
from gateway.config.kind import Help
from gateway.config.kinds.numbers import Duration, SizeKind
from gateway.config.kinds.sets import HostsKind
from gateway.config.sections.section import Section
from gateway.config.units import MIB

Mode: TypeAlias = Literal["progress", "trickle", "hold"]

#: Stands in a list for what is shipped.
DEFAULT = "default"

#: Programs that call themselves so, or whose names begin so; they could do nothing with a page.
AGENTS = (
    "curl/",
    "Wget",
    "aria2/",
    "APT-HTTP",
    "apt-",
    "libdnf",
    "urlgrabber",
    "pacman/",
    "Homebrew",
    "pip/",
    "npm/",
    "git/",
    "docker/",
    "containerd/",
    "python",
    "Go-http-client",
    "Java/",
    "okhttp",
    "libwww-perl",
    "PowerShell",
    "Microsoft BITS",
    "Microsoft-Delivery-Optimization",
    "Microsoft-CryptoAPI",
    "Windows-Update-Agent",
    "Adobe",
    "AcroUpdate",
    "Google Update",
    "GoogleUpdate",
    "GoogleSoftwareUpdate",
    "CFNetwork",
    "softwareupdate",
    "Steam",
    "AntiVir",
    "freshclam",
    "ClamAV/",
    "cvdupdate",
)
#: Where programs fetch their updates.
HOSTS = (
    ".windowsupdate.com",
    ".update.microsoft.com",
    ".delivery.mp.microsoft.com",
    "officecdn.microsoft.com",
    "ardownload.adobe.com",
    "ardownload2.adobe.com",
    "ardownload3.adobe.com",
    "armdl.adobe.com",
    "armmf.adobe.com",
    "ccmdls.adobe.com",
    "fpdownload.adobe.com",
    "fpdownload.macromedia.com",
    "swupdl.adobe.com",
    "swupmf.adobe.com",
    "swcdn.apple.com",
    "swdist.apple.com",
    "swdownload.apple.com",
    "updates.cdn-apple.com",
    "updates-http.cdn-apple.com",
    "tools.google.com",
    "update.googleapis.com",
    ".gvt1.com",
    "aus5.mozilla.org",
    "download-installer.cdn.mozilla.net",
    "database.clamav.net",
)


class LargeFile(Section, frozen=True, kw_only=True):
    """What the client of a large or slow download gets while that is held and scanned."""

    shorthand: ClassVar[str] = "mode"

    over: Annotated[
        int,
        SizeKind(zero="everything is large"),
        Help("Longer content is large: by its declared length, or by what has come of it."),
    ] = 8 * MIB
    after: Annotated[
        Duration,
        Help(
            "What is not large is treated alike when its client has waited so long, for the "
            "content and its scan together."
        ),
    ] = 5.0
    mode: Annotated[
        Mode,
        Help(
            '"hold": the client gets nothing before the verdict, and then the file or a page that '
            'says why not. "trickle": it gets the head of the answer and then a little of the '
            "content again and again, never the last 64KiB nor more than 90 % of what has come, and the "
            "rest after the verdict; if that is bad, its connection is broken off, so that the file "
            'cannot look complete. "progress": people who go to a file with a browser get a page '
            "with a progress bar that ends in the file, or in the page that says why not; programs, "
            'parts of pages and web pages themselves get it as with "trickle".'
        ),
    ] = "progress"
    bypass_agents: Annotated[
        tuple[str, ...],
        Help(
            "Whoever has one of these texts in its User-Agent, in any case, never gets the page of "
            '"progress"; "default" stands for the programs that docs/scanning.md lists.',
            '["default", "InHouseUpdater/"]',
        ),
    ] = (DEFAULT,)
    bypass_hosts: Annotated[
        HostSet,
        HostsKind(),
        Help(
            "Nor does whoever asks one of these hosts, from which updaters fetch that call themselves "
            'browsers; "default" stands for those that docs/scanning.md lists.',
            '["default", ".updates.example.com"]',
        ),
    ] = HostSet([DEFAULT])
