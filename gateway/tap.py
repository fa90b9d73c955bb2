"""
The command line of C{twistd gateway}: options in, the service tree out.

This is the only module that names the global reactor. At import it must name neither the reactor nor
anything that does, for the reactor is chosen after the options are read: C{twistd gateway} installs the
gateway's own one, unless C{twistd --reactor} has named another before.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.application.service import IService, MultiService
from twisted.python.usage import Options as UsageOptions

if TYPE_CHECKING:
    from gateway.config.schema import Config

EXAMPLES = """
Examples:
  twistd -n gateway
      a forward proxy on 127.0.0.1:8080; try it: curl -x http://127.0.0.1:8080 http://www.example.com/
  twistd -n gateway --origin http://127.0.0.1:8000
      a reverse proxy for one web server, at once
  twistd -n gateway --config gateway.toml
      what the file says; 'gateway init' writes one with comments, 'gateway check' lists its faults
"""


class Options(UsageOptions):
    """What C{twistd gateway} may be told beside the configuration file; it wins over the file."""

    longdesc = "A secure web gateway: forward and reverse proxy with plugins."

    optParameters = [
        ["config", "c", None, "The configuration file (TOML). Without one the defaults hold."],
        ["port", "p", None, "The port of the forward proxy; with --origin, that of the site."],
        ["origin", "o", None, "Be a reverse proxy to this URL, such as http://127.0.0.1:8000."],
    ]

    optFlags = [
        [
            "watch",
            None,
            "Reload when the configuration or the code of a plugin changes; for those who write plugins.",
        ],
    ]

    def opt_version(self) -> None:
        """Print the version of the gateway and exit."""
        from gateway import __version__

        sys.stdout.write(f"gateway {__version__}\n")
        raise SystemExit(0)

    def getUsage(self, width: int | None = None) -> str:
        """Add examples, which the base class would fill into a paragraph."""
        return f"{super().getUsage(width)}{EXAMPLES}"

    def postOptions(self) -> None:
        """Settle what needs the place and the moment: the file's full path and the reactor."""
        if self["config"] is not None:
            # twistd changes its folder later, and a reload reads the file again.
            self["config"] = str(Path(self["config"]).absolute())
        install_reactor()

    def overrides(self) -> dict[str, object]:
        """Give the settings that were named on the command line, and only those."""
        return {name: self[name] for name in ("port", "origin") if self[name] is not None}


def install_reactor() -> None:
    """Install the gateway's reactor, unless one is in place: an explicit C{--reactor} has done that."""
    if "twisted.internet.reactor" not in sys.modules:
        from gateway.net import reactor

        reactor.install()


def makeService(options: Options) -> IService:
    """
    Build the service tree for twistd.

    @raise SystemExit: the configuration has faults, or the command line has. They go to standard error, one
        a line, and twistd ends with status 1. A C{UsageError} would end in a traceback from here, and from the
        options it would put the whole usage text of twistd before the faults.
    """
    from gateway.config.faults import ConfigError
    from gateway.config.load import load

    def read() -> "Config":
        return load(options["config"], options.overrides())

    try:
        config = read()
    except ConfigError as error:
        raise SystemExit(str(error)) from None

    from twisted.internet import reactor

    from gateway.admin.control import address
    from gateway.collector import spare_the_collector
    from gateway.reload import StartError
    from gateway.service import GatewayService

    try:
        service = GatewayService(
            config,
            reactor,
            read=read,
            control=address(options["config"], options["port"], options["origin"]),
        )
    except (ConfigError, StartError) as error:
        # Only now are the plugins known, and with them what they say of their settings.
        raise SystemExit(str(error)) from None
    # The process is ours alone here; whoever embeds the service decides for himself.
    reactor.callWhenRunning(spare_the_collector)
    if options["watch"]:
        from gateway.watch import Watch

        both = MultiService()
        service.setServiceParent(both)
        Watch(service, reactor, options["config"]).setServiceParent(both)
        return both
    return service
