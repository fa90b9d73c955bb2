"""
Tell C{twistd} and C{trial} of the gateway: its subcommand and its reactor.

Both objects name modules as text: nothing of the gateway is imported before C{twistd gateway} or
C{--reactor=gateway} asks for it. Neither this folder nor its parent may have an C{__init__.py}.
"""

from twisted.application.reactors import Reactor
from twisted.application.service import ServiceMaker

gateway_service = ServiceMaker(
    "gateway",
    "gateway.tap",
    "A secure web gateway: forward and reverse proxy with plugins.",
    "gateway",
)

gateway_reactor = Reactor(
    "gateway",
    "gateway.net.reactor",
    "The gateway's epoll reactor with a slim dispatch (Linux).",
)
