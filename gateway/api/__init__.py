"""
All that a plugin may import: hooks, transaction, verdicts, content, services and events.

Nothing here does I/O and nothing here imports another package of C{gateway} but C{message}. What a plugin's settings
are written with is in L{gateway.api.settings}.
"""

from gateway.api.answers import (
    AdminPage,
    Challenge,
    ClientHello,
    Intercept,
    Route,
    Server,
    Stored,
    Tunnel,
    Validator,
)
from gateway.api.content import (
    NONE,
    BodyFilter,
    Clean,
    ContentRefused,
    ContentSink,
    Infected,
    Need,
    ScanJob,
    ScanResult,
    Side,
    Unscannable,
    Whole,
)
from gateway.api.errors import (
    ClientError,
    GatewayError,
    PluginError,
    TransactionError,
    UpstreamError,
)
from gateway.api.events import Event, Severity
from gateway.api.hooks import API_VERSION, Maybe, NoSettings, Plugin
from gateway.api.marks import Fail, hookimpl, hookspec
from gateway.api.services import Clock, Log, Overloaded, Services, Threads
from gateway.api.transaction import (
    Aborted,
    Client,
    Delivered,
    Failed,
    Identity,
    Key,
    Outcome,
    Phase,
    Refused,
    Request,
    Response,
    Timings,
    Transaction,
    Tunnelled,
)
from gateway.api.verdicts import Allow, Block, Respond, Verdict
from gateway.message.fields import Fields

__all__ = [
    "API_VERSION",
    "NONE",
    "Aborted",
    "AdminPage",
    "Allow",
    "Block",
    "BodyFilter",
    "Challenge",
    "Clean",
    "Client",
    "ClientError",
    "ClientHello",
    "Clock",
    "ContentRefused",
    "ContentSink",
    "Delivered",
    "Event",
    "Fail",
    "Failed",
    "Fields",
    "GatewayError",
    "Identity",
    "Infected",
    "Intercept",
    "Key",
    "Log",
    "Maybe",
    "Need",
    "NoSettings",
    "Outcome",
    "Overloaded",
    "Phase",
    "Plugin",
    "PluginError",
    "Refused",
    "Request",
    "Respond",
    "Response",
    "Route",
    "ScanJob",
    "ScanResult",
    "Server",
    "Services",
    "Severity",
    "Side",
    "Stored",
    "Threads",
    "Timings",
    "Transaction",
    "TransactionError",
    "Tunnel",
    "Tunnelled",
    "Unscannable",
    "UpstreamError",
    "Validator",
    "Verdict",
    "Whole",
    "hookimpl",
    "hookspec",
]
