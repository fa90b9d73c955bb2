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
