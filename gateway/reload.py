"""
From one configuration to the next while traffic runs.

What can fail comes first: the new snapshot is made, its plugins are started, its ports opened. Then everything is
swapped in one go, in which the reactor does nothing else, and the snapshot before retires. A reload that fails changes
nothing and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import DeferredLock
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from gateway.api.catalogue.configuration import CONFIG_REFUSED, CONFIG_RELOADED
from gateway.api.events import Event
from gateway.config.addresses import Listen
from gateway.config.changes import Change, changes
from gateway.config.faults import ConfigError, Fault
from gateway.config.schema import Config
from gateway.listeners import Listeners
from gateway.modes.listening import Listening
from gateway.net.expiry import CaExpiry
from gateway.net.termination import Termination
from gateway.pipeline.loaded import PluginStartError
from gateway.retiring import Retiring, under_way
from gateway.snapshots import Composer, Snapshot


class StartError(Exception):
    """The gateway can't start, or not go on as it was told to; the text says why and how to mend it."""


class ReloadError(Exception):
    """
    A reload changed nothing.

    @ivar faults: of the configuration, if those are the reason.
    """

    def __init__(self, why: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(why)
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """
    What a reload did, or would do.

    @ivar changes: every setting that differs; those that need a restart have no effect yet.
    @ivar retiring: how many snapshots before it still have transactions.
    @ivar cautions: settings of the new configuration that are probably not meant.
    """

    changes: tuple[Change, ...]
    retiring: int = 0
    cautions: tuple[Fault, ...] = ()


class Generations:
    """
    The snapshot in use, those that retire, and the open listeners.

    @ivar now: the one that new transactions begin with.
    @ivar listenings: the places where clients connect, as they are open now.
    @ivar retiring: those before it that still have transactions.
    @ivar count: reloads that were done.
    """

    _log = Logger()

    def __init__(
        self,
        composer: Composer,
        listeners: Listeners,
        tell: Callable[[Event], None],
        config: Config,
        *,
        clock: Any,
        follow: Callable[[Config], None],
    ) -> None:
        """
        Make the first snapshot; nothing is opened or started.

        @param follow: called in each reload for what outlives snapshots; it must not fail.
        @raise ConfigError: the plugins' settings have faults.
        """
        self._composer = composer
        self._listeners = listeners
        self._follow = follow
        self._clock = clock
        self._tell = tell
        self._turn = DeferredLock()
        self._ca_expiry = CaExpiry(tell, clock)
        self.ended = False
        self.now = composer.compose(config)
        # What is looked at only once stays as it was then.
        self._at_start = config
        self.listenings: list[Listening] = []
        self._closing: list[Listening] = []
        self.retiring: list[Retiring] = []
        self.count = 0

    @property
    def with_connections(self) -> list[Listening]:
        """Every listening that may have connections: those of closed ports end theirs in their own time."""
        return [*self.listenings, *self._closing]

    def open(self) -> None:
        """
        Open the listeners of the first snapshot.

        @raise StartError: an address is taken or not ours.
        """
        self._follow_certificates((), self.now)
        for listen, listening in self.now.listenings:
            self.listenings.append(listening)
            open_listener(self._listeners, listening.mode.name, listen, listening, plain=False)

    def compare(self, config: Config) -> tuple[Change, ...]:
        """List what a reload with this configuration would change."""
        live = [change for change in changes(self.now.config, config) if change.effect != "restart"]
        rest = [change for change in changes(self._at_start, config) if change.effect == "restart"]
        return (*live, *rest)

    async def reload(
        self, read: Callable[[], Config], *, fresh: bool = False, dry_run: bool = False
    ) -> Reloaded:
        """
        Go over to another configuration; one reload at a time, in the order in which they are asked for.

        @param read: gives it when its turn has come.
        @param fresh: read the code of the plugins' packages anew.
        @param dry_run: only say what would change.
        @raise ReloadError: nothing has changed, and why.
        """
        await self._turn.acquire()
        try:
            return await self._reload(read, fresh, dry_run)
        except ConfigError as error:
            count = len(error.faults)
            raise self._refused(
                f"the configuration has {count} fault{'' if count == 1 else 's'}: {error}",
                error.faults,
                quiet=dry_run,
            ) from None
        except (PluginStartError, StartError) as error:
            raise self._refused(str(error), quiet=dry_run) from None
        finally:
            self._turn.release()

    async def _reload(self, read: Callable[[], Config], fresh: bool, dry_run: bool) -> Reloaded:
        if self.ended:
            raise StartError("the gateway is stopping")
        config = read()
        found = self.compare(config)
        before = self.now
        after = self._composer.compose(
            config, before, fresh=fresh and not dry_run, rehearses=dry_run
        )
        self._check_modes(after)
        if dry_run:
            return Reloaded(found, len(self.retiring), after.cautions)
        await after.plugins.start(living=[before.plugins])
        try:
            if self.ended:
                raise StartError("the gateway is stopping")
            opened = self._open_new(after)
        except StartError:
            await after.plugins.stop(living=[before.plugins])
            after.plugins.put_back()
            raise
        self._swap(before, after, opened)
        for change in found:
            self._log.info("reload: {change}", change=change)
        known = {(caution.path, caution.message) for caution in before.cautions}
        for caution in after.cautions:
            if (caution.path, caution.message) not in known:
                self._log.warn("caution: {caution}", caution=caution)
        self._tell(
            CONFIG_RELOADED(
                f"the configuration was reloaded: {len(found)} change{'' if len(found) == 1 else 's'}",
                changes=str(len(found)),
            )
        )
        return Reloaded(found, len(self.retiring), after.cautions)

    def stop(self) -> None:
        """Let no reload begin any more, and one under way end without effect."""
        self.ended = True

    def _follow_certificates(self, before: Iterable[Termination], after: Snapshot) -> None:
        """Look at the certificates that are shown now, and at the CA; no more at those of before."""
        for secured in before:
            secured.stop()
        for secured in after.secured.values():
            secured.start(self._clock)
        self._ca_expiry.follow(None if after.minting is None else after.minting.authority)

    def stop_upstreams(self) -> None:
        """End what all snapshots have towards upstreams, and look at no files any more."""
        for secured in self.now.secured.values():
            secured.stop()
        self._ca_expiry.stop()
        for snapshot in (self.now, *(retiring.snapshot for retiring in self.retiring)):
            if snapshot.pipeline.refreshing is not None:
                snapshot.pipeline.refreshing.stop()
            if snapshot.pipeline.scanning is not None:
                snapshot.pipeline.scanning.fetches.stop()
        self.now.upstreams.stop()
        for retiring in self.retiring:
            retiring.snapshot.upstreams.stop()

    async def stop_plugins(self) -> None:
        """Stop the plugins of all snapshots, the oldest first."""
        for retiring in list(self.retiring):
            retiring.stop()
            if not retiring.stopped.called:
                await retiring.stopped
        await self.now.plugins.stop()

    def _check_modes(self, after: Snapshot) -> None:
        """
        Refuse what can't be done without closing a port that clients use.

        @raise StartError: a place changes its mode.
        """
        modes = {listening.name: listening.mode.name for listening in self.listenings}
        for _, listening in after.listenings:
            was, will = modes.get(listening.name), listening.mode.name
            if was is not None and was != will:
                raise StartError(
                    f"{listening.name} is open for the {was} proxy and can't become the {will} proxy's: restart the gateway"
                )

    def _open_new(self, after: Snapshot) -> list[Listening]:
        """Open the places that are not open yet; all of them or none."""
        there = {listening.name for listening in self.listenings}
        opened: list[Listening] = []
        for listen, listening in after.listenings:
            if listening.name in there:
                continue
            try:
                open_listener(self._listeners, listening.mode.name, listen, listening, plain=False)
            except StartError:
                for other in opened:
                    self._listeners.close(other)
                raise
            opened.append(listening)
        return opened

    def _swap(self, before: Snapshot, after: Snapshot, opened: list[Listening]) -> None:
        """Change over; nothing here waits or fails."""
        older = {task for retiring in self.retiring for task in retiring.running}
        running = under_way(self.with_connections)
        if before.pipeline.scanning is not None:
            running |= before.pipeline.scanning.fetches.running
        running -= older
        if before.pipeline.refreshing is not None:
            running |= before.pipeline.refreshing.running
        newer = {listening.name: listening for _, listening in after.listenings}
        kept, closed = [], []
        for listening in self.listenings:
            if listening.name in newer:
                listening.adopt(newer[listening.name])
                kept.append(listening)
            else:
                closed.append(listening)
        self.listenings = [*kept, *opened]
        self._follow_certificates(before.secured.values(), after)
        self.now = after
        self.count += 1
        self._follow(after.config)
        after.plugins.settled()
        after.upstreams.start(before.upstreams)
        before.upstreams.give_way(after.upstreams)
        for listening in closed:
            self._listeners.close(listening)
            # Its connections end after what they do now; they are counted as long as they are open.
            listening.drain()
        self._closing = [old for old in (*self._closing, *closed) if old.connections]
        retiring = Retiring(before, running, self._living, self.retiring.remove)
        self.retiring.append(retiring)
        retiring.begin()

    def _living(self, but: Retiring) -> list[Snapshot]:
        return [self.now, *(old.snapshot for old in self.retiring if old is not but)]

    def _refused(self, why: str, faults: Sequence[Fault] = (), *, quiet: bool) -> ReloadError:
        if not quiet:
            self._log.error("reload refused, nothing has changed: {why}", why=why)
        if not quiet and not self.ended:
            # A gateway that stops refuses them all, which is nobody's fault.
            text = "the reload was refused, the gateway goes on as before"
            self._tell(CONFIG_REFUSED(text, why=why))
        return ReloadError(why, faults)


def open_listener(
    listeners: Listeners, what: str, listen: Listen, factory: Any, *, plain: bool
) -> None:
    """
    Open a port.

    @raise StartError: it can't be opened; says which and why.
    """
    try:
        listeners.open(listen, factory, plain=plain)
    except (CannotListenError, OSError, ValueError) as error:
        why = getattr(error, "socketError", None) or error
        raise StartError(f"{what}: can't listen on {listen}: {why}") from error
