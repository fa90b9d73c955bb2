"""
The public test kit: a whole gateway in memory around a plugin, checks of plugins, and scripts for parsers and peers.

For authors of plugins, under trial, pytest or C{unittest}:

 - L{FakeGateway}: the real gateway with your plugin, C{gw.get(url)}, C{gw.origin}, C{gw.clock.advance()}; each L{Exchange}
   gives what was L{Seen}.
 - L{check_plugin}: what the first operator would complain of.
 - L{ScanJob}: C{ScanJob.of(b"...")} for C{scan_content} alone; L{Clock}: time for what needs nothing else.
 - L{FakeServices}: what a plugin object is made with, without a gateway around it.

For the gateway's own tests, and for protocols: L{Playbook} (these bytes come in, those events come out, cut wherever they
may be), L{Harness} (a gateway between peers, without plugins' comforts), L{ScriptedClient} and L{ScriptedOrigin}.

There is neither a thread nor a socket nor a wait: time goes by when the test says so, and everything happens in a fixed
order, or in one that the test chooses.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted.internet.task import Clock

    from gateway.api.content import ScanJob
    from gateway.testing.checks import check_plugin
    from gateway.testing.exchange import Exchange, Seen
    from gateway.testing.fake import FakeGateway
    from gateway.testing.harness import Harness
    from gateway.testing.http import HttpRequest, ScriptedHttp
    from gateway.testing.messages import Message
    from gateway.testing.peers import ScriptedClient, ScriptedOrigin
    from gateway.testing.playbook import Like, Playbook
    from gateway.testing.services import FakeServices
    from gateway.testing.web import FakeOrigin
else:
    # Loaded when it is asked for: the command line makes plugins with a part of this, and should answer at once.
    _PLACES = {
        "Clock": "twisted.internet.task",
        "Exchange": "gateway.testing.exchange",
        "FakeGateway": "gateway.testing.fake",
        "FakeOrigin": "gateway.testing.web",
        "FakeServices": "gateway.testing.services",
        "Harness": "gateway.testing.harness",
        "HttpRequest": "gateway.testing.http",
        "Like": "gateway.testing.playbook",
        "Message": "gateway.testing.messages",
        "Playbook": "gateway.testing.playbook",
        "ScanJob": "gateway.api.content",
        "ScriptedClient": "gateway.testing.peers",
        "ScriptedHttp": "gateway.testing.http",
        "ScriptedOrigin": "gateway.testing.peers",
        "Seen": "gateway.testing.exchange",
        "check_plugin": "gateway.testing.checks",
    }

    def __getattr__(name: str) -> object:
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_PLACES[name]), name)
        return found


__all__ = [
    "Clock",
    "Exchange",
    "FakeGateway",
    "FakeOrigin",
    "FakeServices",
    "Harness",
    "HttpRequest",
    "Like",
    "Message",
    "Playbook",
    "ScanJob",
    "ScriptedClient",
    "ScriptedHttp",
    "ScriptedOrigin",
    "Seen",
    "check_plugin",
]
