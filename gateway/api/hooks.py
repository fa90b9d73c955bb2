"""
The plugin's base class, which is also the list of all hooks: pluggy's specification and mypy's supertype in one.

A plugin subclasses L{Plugin}, overrides the hooks it wants and marks each with L{hookimpl}. The text of each hook
below is its reference; C{docs/hooks.md} is made from it. C{Maybe[X]} means C{X} from a plain function, or from an
C{async def}, or by a Deferred.

Hooks never grow parameters; the objects they are given grow attributes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, TypeVar

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
    ContentSink,
    Infected,
    Need,
    NotPacked,
    ScanJob,
    ScanResult,
    Side,
    Unpacked,
    Unscannable,
)
from gateway.api.marks import SPEC_MARK, HookSpec, hookspec
from gateway.api.messages import Response
from gateway.api.review import Caution, SettingFault, Surroundings
from gateway.api.transaction import Client, Identity, Transaction
from gateway.api.verdicts import Allow, Block, ReadContent, Respond, Verdict

if TYPE_CHECKING:
    from gateway.api.events import Event, EventType
    from gateway.api.services import Services

T = TypeVar("T")
Maybe: TypeAlias = T | Awaitable[T]

#: Major and minor version of everything in L{gateway.api}. A minor adds; only a major takes away.
API_VERSION: Final = (1, 0)

#: Hooks that are specified but that this version never calls; a plugin that implements one is refused at start,
#: for a hook that is silently left out is worse than none.
NOT_CALLED_YET: Final = frozenset(("admin_pages",))

_NO_OPINION = type(None)


@dataclass(frozen=True, slots=True)
class NoSettings:
    """The settings of a plugin that has none."""


class Plugin:
    """
    What every plugin subclasses.

    @cvar name: its name in C{[plugins] enabled} and of its table C{[plugins.name]}; the same as its entry point's.
    @cvar requires_api: the least L{API_VERSION} it works with.
    @cvar Settings: the class of its settings.
    @cvar event_types: the kinds of events that it raises and that are not in L{gateway.api.catalogue}: channels, the
        command line and C{[notify.events]} know what is said there. Begin their names with the plugin's own, so that
        they are nobody else's; C{number} stays 0. Since 1.0.
    @ivar settings: its settings; they never change. A reload makes a new plugin object.
    @ivar services: what the gateway offers it.
    """

    name: ClassVar[str] = ""
    requires_api: ClassVar[tuple[int, int]] = (1, 0)
    Settings: ClassVar[type] = NoSettings
    event_types: ClassVar[tuple[EventType, ...]] = ()

    # The type of the settings is the subclass's own matter, as is that of its Settings.
    def __init__(self, settings: Any, services: Services) -> None:
        self.settings = settings
        self.services = services

    def review(self, around: Surroundings) -> Iterable[Caution | SettingFault]:
        """
        Say what of the settings does not go with the rest of the configuration, or is probably not meant.

        No hook: it needs no mark. Called when the plugin was made, before L{start}: at C{gateway check}, where nothing is
        started, at each start and at each reload, once each time. It looks and neither waits nor opens anything.

        With a L{SettingFault} the gateway does not start, or goes on with the configuration before it. A L{Caution} is
        shown by C{gateway check}, at the start and by C{gateway reload}. What it raises becomes a caution, and nothing else
        follows from it; what it said before counts. 100 things are told at the most. Since 1.0.

        @param around: what a plugin may know of the configuration around its own table.
        """
        return ()

    def start(self) -> Maybe[None]:
        """
        Open what is needed, before the first hook is called and in the configured order.

        What it raises keeps the gateway from starting, and those started already are stopped.
        """
        return None

    def stop(self) -> Maybe[None]:
        """Close what L{start} opened, after the last hook; also after L{start} failed. May be called twice."""
        return None

    @hookspec(HookSpec("first", "closed", (Block, _NO_OPINION), "the connection is dropped"))
    def client_connected(self, client: Client) -> Maybe[Block | None]:
        """
        Judge a client by its address.

        When: a connection was accepted, and its PROXY protocol header read if one is due; before anything else is
        read. Once per connection.

        Answers:
          - L{Block}: the connection is closed without an answer; later plugins are not asked.
          - C{None}: no opinion, the next plugin is asked; if nobody blocks, the connection is served.

        Reactor thread; budget 5 s. Since 1.0.
        """
        return None

    @hookspec(
        HookSpec(
            "first", "closed", (Intercept, Tunnel, Block, _NO_OPINION), "the connection is dropped"
        )
    )
    def client_hello(
        self, client: Client, hello: ClientHello
    ) -> Maybe[Intercept | Tunnel | Block | None]:
        """
        Decide whether a TLS connection is decrypted.

        When: a CONNECT was admitted, and the client's first handshake message in it is complete and not answered.
        Once per TLS connection through the gateway; not for one that ends at a listener's own certificate.

        Answers:
          - L{Intercept}: the gateway shows a certificate of its own and sees the requests within. Not where
            C{tls.never_decrypt} names the host, nor with C{tls.decrypt = "none"}: then the bytes pass unread.
          - L{Tunnel}: the bytes pass unread.
          - L{Block}: the connection is refused, by an alert or, with C{tls.block_page_over_tls}, a page.
          - C{None}: no opinion, the next plugin is asked; if nobody has one, C{tls.decrypt} decides.

        Reactor thread; budget 5 s. Since 1.0.
        """
        return None

    @hookspec(
        HookSpec(
            "identity",
            "closed",
            (Identity, Challenge, Block, Respond, _NO_OPINION),
            "the plugin_error page, 503",
            True,
            10.0,
        )
    )
    def authenticate(
        self, txn: Transaction
    ) -> Maybe[Identity | Challenge | Block | Respond | None]:
        """
        Find out who is asking.

        When: a request's head is complete and its target known; before every other decision. Once per transaction,
        but not within a decrypted connection whose CONNECT has shown who is asking; what belongs to the connection is
        kept in C{txn.client.store}.

        Answers:
          - L{Identity}: this is who; later plugins are not asked.
          - L{Challenge}: the client should prove who it is. The next plugins are asked all the same; if none of them
            knows the identity, all challenges are sent in one 407 (one 401 in reverse mode).
          - L{Block}: nobody passes, as when a directory can't be asked; later plugins are not asked.
          - L{Respond}: this response is sent, such as a redirect to a login page; later plugins are not asked.
          - C{None}: no opinion; if nobody has one, the transaction goes on without an identity.

        Reactor thread; budget 10 s. Since 1.0.
        """
        return None

    @hookspec(
        HookSpec(
            "first",
            "closed",
            (Allow, Block, Respond, ReadContent, _NO_OPINION),
            "the plugin_error page, 503",
        )
    )
    def request_headers(self, txn: Transaction) -> Maybe[Verdict | ReadContent | None]:
        """
        Judge a request by its head; C{txn.request.fields} may be changed.

        When: the client is identified; before any content is read and before C{100 Continue} is sent. Once per
        transaction, CONNECT included; C{@hookimpl(without_content=False)} leaves out those that have no content.

        Answers:
          - L{Allow}: later plugins are not asked; the later phases, such as scanning, still run.
          - L{Block}: the request is refused with the named page and never sent on.
          - L{Respond}: this response is sent in the origin's place.
          - L{ReadContent}: the content is read first and then judged by the plugin; later plugins are not asked. Nothing
            goes upstream before, and content filters get the content afterwards.
          - C{None}: no opinion, the next plugin is asked; if nobody has one, the request goes on.

        Reactor thread; budget 5 s. Since 1.0.
        """
        return None

    @hookspec(
        HookSpec(
            "all", "closed", (BodyFilter, _NO_OPINION), "the plugin_error page, 503", False, 0.0
        )
    )
    def request_filters(self, txn: Transaction) -> BodyFilter | None:
        """
        Put a filter into the way of the request's content.

        When: the request was admitted and has content; before any of it goes to the upstream or to C{scan_content}.
        Once per transaction; not for tunnels.

        Answers:
          - L{BodyFilter}: gets every piece. Filters are chained in the configured order: the first plugin's filter
            takes what the client sent, the last one's gives what the upstream gets.
          - C{None}: no filter.

        Reactor thread; the answer can't wait. Since 1.0.
        """
        return None

    @hookspec(
        HookSpec(
            "first",
            "open",
            (Stored, Validator, _NO_OPINION),
            "as if nothing were stored",
            True,
            1.0,
        )
    )
    def cache_lookup(self, txn: Transaction) -> Maybe[Stored | Validator | None]:
        """
        Look for a stored response.

        When: the request was admitted and is about to be routed. Once per transaction; not for CONNECT.

        Answers:
          - L{Stored}: it is sent, after C{response_headers} judged it and, where C{content_need} says so,
            C{scan_content} its content; no upstream is asked. The same one may be given again, to any request that
            it answers, and that is the quickest way; plugins are shown a copy of its response. It went through C{response_filters} before it was
            stored, so it does not again. The gateway adds C{Via}, and C{Date} if there is none; all else, such as
            C{Age}, is the plugin's. With a C{refresh} the upstream is asked afterwards, by a request of the
            gateway's own: a transaction like any, of the same client, with the note C{refresh} naming the
            client's; no hook that judges requests is asked about it.
          - L{Validator}: the request is forwarded with these fields set, and its C{answered} is told what came, for the
            one time, before C{response_headers}; what it gives is sent in place of that. Without an answer of its
            own (C{answered} is C{None}) the answer to the changed request is the client's.
          - C{None}: no opinion, the next plugin is asked; if nobody has anything, the request is forwarded.

        Reactor thread; budget 1 s. Since 1.0.
        """
        return None

    @hookspec(
        HookSpec(
            "first", "closed", (Route, _NO_OPINION), "the plugin_error page, 502", True, 5.0, 502
        )
    )
    def select_upstream(self, txn: Transaction) -> Maybe[Route | None]:
        """
        Say where a request goes.

        When: nothing stored answers the request; before a connection is taken or made. Once per transaction, CONNECT
        included; not again when the core tries another origin.

        Answers:
          - L{Route}: it goes there, and the destination guard judges the address, a parent's too. The requests of a
            site can't be sent elsewhere: any kind but C{"direct"} is an error of the plugin there, the page
            gateway_error, 500.
          - C{None}: no opinion, the next plugin is asked; if nobody has one, the configured parent or site decides,
            else it goes to its target directly.

        Reactor thread; budget 5 s. Since 1.0.
        """
        return None

    @hookspec(HookSpec("first", "closed", (Block, _NO_OPINION), "the plugin_error page, 503"))
    def upstream_connected(self, txn: Transaction, server: Server) -> Maybe[Block | None]:
        """
        Judge the address that a request really goes to; the name was judged before and may have been rebound.

        When: a new connection for this transaction is made and nothing was sent on it. Once per connection made; not
        when a kept one is used.

        Answers:
          - L{Block}: the connection is closed unused and the request refused.
          - C{None}: no opinion, the next plugin is asked; if nobody blocks, the request is sent.

        Reactor thread; budget 5 s. Since 1.0.
        """
        return None

    @hookspec(
        HookSpec(
            "first", "closed", (Allow, Block, Respond, _NO_OPINION), "the plugin_error page, 503"
        )
    )
    def response_headers(self, txn: Transaction) -> Maybe[Verdict | None]:
        """
        Judge a response by its head, C{txn.response}; its fields may be changed.

        When: the head of the final response is complete; before anything of it is sent to the client. Once per
        transaction; not for 1xx responses and tunnels. For stored responses, too: a plugin that has nothing to say
        about those that are sent without the upstream being asked says so by C{@hookimpl(stored=False)}.

        Answers:
          - L{Allow}: later plugins are not asked; the later phases, such as scanning, still run.
          - L{Block}: the upstream's response is dropped and the named page sent.
          - L{Respond}: this response is sent in its place.
          - C{None}: no opinion, the next plugin is asked; if nobody has one, the response goes on.

        Reactor thread; budget 5 s. Since 1.0.
        """
        return None

    @hookspec(
        HookSpec(
            "all", "closed", (BodyFilter, _NO_OPINION), "the plugin_error page, 503", False, 0.0
        )
    )
    def response_filters(self, txn: Transaction) -> BodyFilter | None:
        """
        Put a filter into the way of the response's content.

        When: the response's head was judged and it has content; before its head is sent and before C{scan_content}.
        Once per transaction; not for tunnels, nor for what the gateway or a plugin answers in the origin's place.

        Answers:
          - L{BodyFilter}: gets every piece. Filters are chained in the configured order: the first plugin's filter
            takes what the upstream sent, the last one's gives what the client gets.
          - C{None}: no filter.

        Reactor thread; the answer can't wait. Since 1.0.
        """
        return None

    @hookspec(HookSpec("union", "closed", (Need,), "the plugin_error page, 503", False, 0.0))
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """
        Say how much of some content must be in hand before any of it passes.

        When: the head of that side was judged and it has content, of whatever framing: with a length, chunked, up to
        the end of the connection. A request is asked about before anything of it goes upstream, a response before its
        head is sent; what is stored (C{cache_lookup}) is asked about like any other. Once per transaction and side.

        Answers:
          - C{NONE}, which is a L{Need}: it may stream.
          - L{FirstBytes<Need>}: it may stream, as soon as the filters of a response let something of it pass.
          - L{Whole<Need>}: it is held, as it comes out of the filters, and given to C{scan_content}. Of several the
            largest C{max_bytes} counts. The part of a 206 is content like any other;
            C{ScanJob.notes["content_range"]} says which part it is.

        C{None} is no answer here but an error.

        No content passes in silence. C{txn.notes["scan_request"]} and C{txn.notes["scan_response"]}, and so the access
        log, say what became of each side:
          - C{clean}: every byte of it was looked at, and everything that is packed in it at every depth, by an engine
            that C{scan_engine} names with its patterns.
          - C{infected}, C{suspicious}, or the reason of an L{Unscannable}, with a colon and the action that followed,
            such as C{too_large:block} or C{limit:depth:warn}; C{scan_found}, C{scan_engine} and C{scan_member} name what
            was found, by whom, and in which member. C{too_large} is content longer than C{max_bytes}; C{capacity} is
            content for which there was no room, or that no plugin had time for.
          - C{unscanned:partial}, C{unscanned:nested}, C{unscanned:no_engine}, with the action: somebody said clean of a
            part only; nobody looked into what may be packed in it; nobody looked at it, or at some member.
          - C{engine_timeout}, with the action: C{scan.timeout} ran out.
          - C{failed:block}: C{scan_content} or C{unpack_content} of some plugin failed, and it fails closed.
          - C{not_judged}: it was held, and each plugin asked said C{None} of all of it.
          - C{not_needed}: every plugin answered C{NONE}.
          - C{no_content}: a response to HEAD, a 204, a 304, or content of no bytes. Nobody is asked, unless only the
            end of chunked content shows that there is none. A request without content has no note.
          - C{tunnel}: a CONNECT or an upgrade. Nobody is asked, as nobody sees the content.
          - C{made_here}: a plugin's own L{Respond}. Nobody is asked. Nor is for the pages of the gateway.

        Reactor thread; the answer can't wait. Since 1.0.
        """
        return NONE

    @hookspec(HookSpec("all", "open", (str,), "no result is remembered", False, 0.0, closes=False))
    def scan_patterns(self) -> str:
        """
        Name the engine and the version of the patterns that the plugin scans with now.

        When: content is about to be scanned. Once per plugin and piece of content, so have it ready.

        Answers:
          - C{str}: such as C{"clamd 1.4.6/27800"}. What was scanned is not scanned again as long as no plugin that
            implements C{scan_content} or C{unpack_content} says anything else. Whoever says something vouches that its
            answers follow from nothing but that, the content, its C{content_type}, C{content_encoding},
            C{content_disposition} and C{content_range} (in C{ScanJob.notes}), whether its C{status} is 206, and the
            extension at the end of the URL's path; settings that change an answer belong into the text. Empty, as it is unless the plugin says more:
            nothing is remembered at all. Nor is it while a plugin that scans or unpacks does not implement this hook,
            or fails open.

        Only C{clean}, C{infected}, C{suspicious}, C{encrypted}, C{malformed} and C{limit} are remembered, as many as
        C{scan.remember} says, and until the configuration is read anew.

        Reactor thread; the answer can't wait. Since 1.0.
        """
        return ""

    @hookspec(
        HookSpec(
            "first",
            "closed",
            (Unpacked, NotPacked, Unscannable, _NO_OPINION),
            "the plugin_error page, 503",
            True,
            600.0,
            threads=True,
        )
    )
    def unpack_content(self, job: ScanJob) -> Maybe[Unpacked | NotPacked | Unscannable | None]:
        """
        Unpack whole content, so that each thing in it is scanned by every plugin.

        When: content is held for C{scan_content} and complete. Once per piece of content, never for what was unpacked
        itself: whoever unpacks goes on to every depth.

        Answers:
          - L{Unpacked}: each member is given to C{scan_content} of every plugin, and the content too unless C{covers}.
          - L{NotPacked}: there is nothing to unpack.
          - L{Unscannable}: it can't be unpacked. The content itself is scanned all the same; the worst counts.
          - C{None}: no opinion, the next plugin is asked. If nobody has one, only an engine that looks into everything
            by itself can call it clean (L{Coverage.nested}).

        Members are scanned a few at a time, and C{more} is called when those before have their results; not after one
        that is infected and for which C{scan.on.infected} is C{block}. C{close} is called once, whatever happens.

        A plain function with C{thread="scan"}, or one that waits; budget 600 s, but C{scan.timeout} ends it before that.
        Since 1.0.
        """
        return None

    @hookspec(
        HookSpec(
            "worst",
            "closed",
            (Clean, Infected, Unscannable, _NO_OPINION),
            "the plugin_error page, 503",
            True,
            600.0,
            threads=True,
        )
    )
    def scan_content(self, job: ScanJob) -> Maybe[ScanResult | None]:
        """
        Judge whole content.

        When: content that some plugin needs whole is held, and it is complete; and for each member that
        C{unpack_content} gave out of it, which C{job.member} tells apart. Once per plugin and piece of content, unless
        what was said of the same content before still holds (C{scan_patterns}); all plugins are asked at the same time,
        those too that did not need it. The worst answer counts: the one whose configured action is the strictest.
        C{scan.timeout} bounds the wait for all of them.

        Answers:
          - L{Infected}: the action C{scan.on.infected} follows, or C{scan.on.suspicious} if it is not certain.
          - L{Unscannable}: it could not be looked at whole; the action configured for its reason in C{scan.on}
            follows. A reason that is not there is refused.
          - L{Clean}: nothing was found in what its coverage says. Somebody has to say it of every byte of each piece,
            or the message is C{unscanned}.
          - C{None}: not this plugin's business.

        A plugin that finds no room in its pool of threads, or says L{Overloaded<gateway.api.Overloaded>}, and fails
        closed, counts as C{Unscannable("capacity")}. If content is needed and no plugin implements this hook, it is
        C{unscanned:no_engine}.

        Usually marked C{thread="scan"}, as a plain function; budget 600 s, but C{scan.timeout} ends it before that.
        Since 1.0.
        """
        return None

    @hookspec(
        HookSpec(
            "first", "open", (ContentSink, _NO_OPINION), "the response is not stored", False, 0.0
        )
    )
    def cache_store(self, txn: Transaction) -> ContentSink | None:
        """
        Take a copy of a response.

        When: the response was judged, its content too where that was needed whole, and is about to be sent to the
        client. Once per transaction; not for tunnels, not for what is stored already, not for what the gateway or a
        plugin answers in the origin's place, and not for HEAD and 304, whose want of content says nothing; nor for
        the answers to a client that authenticates its connection (NTLM, Negotiate), which are its own though
        nothing in them says so. Of what status the response is is for the plugin to look at: a 206 is a part only.

        Answers:
          - L{ContentSink}: fed beside the client with what the client gets, after all filters and at the client's
            pace. If the content does not reach its end, because a side went away, it is aborted. Later plugins are
            not asked.
          - C{None}: no opinion, the next plugin is asked; if nobody wants it, it is not stored.

        Reactor thread; the answer can't wait. Since 1.0.
        """
        return None

    @hookspec(
        HookSpec(
            "first", "open", (Response, _NO_OPINION), "the built-in page", True, 2.0, closes=False
        )
    )
    def page(self, txn: Transaction, name: str) -> Maybe[Response | None]:
        """
        Make the page that the gateway answers with in the origin's place.

        When: a request is refused or failed, and an answer can still be sent. Once per such transaction.

        Answers:
          - L{Response}: sent as it is; its status should be the one a client understands.
          - C{None}: no opinion, the next plugin is asked; if nobody has one, the built-in page is sent.

        Reactor thread; budget 2 s. Since 1.0.
        """
        return None

    @hookspec(
        HookSpec(
            "all",
            "open",
            (_NO_OPINION,),
            "logged, the others are still called",
            False,
            0.0,
            closes=False,
        )
    )
    def transaction_complete(self, txn: Transaction) -> None:
        """
        Take note of a transaction that ended.

        When: after the last byte, whatever the outcome; C{txn.outcome} says which. Exactly once per transaction,
        tunnels included; C{@hookimpl(stored=False)} leaves out those that a stored response has answered without the
        upstream being asked. Nothing can be changed any more.

        Answers:
          - C{None}: always.

        Reactor thread; the answer can't wait. Since 1.0.
        """

    @hookspec(
        HookSpec(
            "all",
            "open",
            (_NO_OPINION,),
            "logged, the others are still called",
            True,
            30.0,
            threads=True,
            closes=False,
        )
    )
    def event(self, event: Event) -> Maybe[None]:
        """
        Tell people of an event: by trap, mail or message.

        When: something happened that operators should hear of. Once per plugin and event, all plugins at the same
        time; nobody waits for the answer.

        Answers:
          - C{None}: always.

        Reactor thread, or a pool by C{thread}; budget 30 s. Since 1.0.
        """
        return None

    @hookspec(
        HookSpec("all", "open", (Sequence,), "the plugin has no pages", False, 0.0, closes=False)
    )
    def admin_pages(self) -> Sequence[AdminPage]:
        """
        Offer pages to the web console.

        When: the console starts, and after a reload. Once per plugin each time.

        Answers:
          - C{Sequence} of L{AdminPage}: mounted in the plugin's own folder of the console.

        Reactor thread; the answer can't wait. Since 1.0.
        """
        return ()

    @hookspec(
        HookSpec(
            "all",
            "open",
            (Mapping,),
            "the plugin has no numbers this time",
            False,
            0.0,
            closes=False,
        )
    )
    def counters(self) -> Mapping[str, float]:
        """
        Give numbers for the metrics.

        When: metrics are asked for. Once per plugin each time, so count elsewhere and only tell here.

        Answers:
          - C{Mapping} of names to numbers: each becomes C{gateway_plugin_NAME{plugin="..."}}, a counter if the name
            ends in C{_total} and a gauge if not. Names are small letters, digits and underscores and none of those
            that the gateway itself uses behind C{gateway_plugin_}; 100 numbers at the most. One that is wrong is an
            error, and the plugin has no numbers this time.

        Reactor thread; the answer can't wait. Since 1.0.
        """
        return {}

    @hookspec(
        HookSpec(
            "all",
            "open",
            (str, _NO_OPINION),
            "the plugin counts as ready",
            False,
            0.0,
            closes=False,
        )
    )
    def not_ready(self) -> str | None:
        """
        Say why no traffic should come to this process now, though it runs.

        When: a load balancer asks C{/readyz}. Once per plugin each time, so have it ready.

        Answers:
          - C{str}: one short sentence, which C{/readyz} shows beside its 503. Say so only of what makes most of the traffic
            fail: all processes that need the same broken thing are taken out of service by it.
          - C{None}: nothing that the plugin knows of.

        Reactor thread; the answer can't wait. Since 1.0.
        """
        return None

    @hookspec(
        HookSpec(
            "first",
            "open",
            (Mapping, _NO_OPINION),
            "the order is refused",
            budget_seconds=30.0,
            closes=False,
        )
    )
    def order(self, name: str, said: Mapping[str, object]) -> Maybe[Mapping[str, object] | None]:
        """
        Carry out an order of an operator's, such as C{gateway user evict}.

        When: the command has sent it over the control socket, where only root and the gateway's own user are heard.
        Once per plugin and order, until one knows it.

        Answers:
          - C{Mapping}: what the command gets; numbers, texts, C{None}, lists and mappings of those, as for JSON. An entry
            C{why} that is no empty text says that the order could not be carried out.
          - C{None}: another plugin's order.

        Reactor thread; budget 30 s. Since 1.0.
        """
        return None


#: The specification of each hook, in the order of the path of a request.
HOOKS: Final[Mapping[str, HookSpec]] = {
    name: getattr(function, SPEC_MARK)
    for name, function in vars(Plugin).items()
    if hasattr(function, SPEC_MARK)
}
