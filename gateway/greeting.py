"""
What the gateway says when it has started: what listens where, how to try it, and what is probably not meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gateway import __version__
from gateway.config.faults import Fault
from gateway.config.schema import Config
from gateway.modes.listening import Listening


def greeting(
    config: Config,
    listenings: Iterable[Listening],
    text: Callable[[Any], str],
    cautions: Iterable[Fault] = (),
) -> str:
    """
    Write it, with a line feed at the end of each line.

    @param text: gives where the port of a listening, or of C{"admin"}, really listens.
    @param cautions: what to look at again.
    """
    lines = [*_lines(config, listenings, text), *(f"  caution: {one}" for one in cautions)]
    return "".join(f"{line}\n" for line in lines)


def _lines(
    config: Config, listenings: Iterable[Listening], text: Callable[[Any], str]
) -> Iterator[str]:
    yield f"gateway {__version__}"
    for listening in listenings:
        where = text(listening)
        yield f"  {listening.mode.name} proxy on {where}{_example(config, listening, where)}"
    if config.admin.health is not None:
        where = text("admin")
        yield f"  health and metrics on {where}     try: curl http://{where}/readyz"
    path = config.log.access.path
    yield f"  access log: {'standard output' if path == '-' else path or 'off'}"


def _example(config: Config, listening: Listening, where: str) -> str:
    """Show how to try a listener, where that is a line: programs know no proxy on a unix socket."""
    path = where.removeprefix("unix:")
    if listening.mode.name == "forward":
        return "" if path != where else f"     try: curl -x http://{where} http://example.com/"
    named = (
        sites[0].host[0]
        for listen, sites in config.reverse_listeners
        if str(listen) == listening.name
    )
    host = next(named, "*").replace("*.", "www.")
    if path != where:
        return f"     try: curl --unix-socket {path} http://{'localhost' if host == '*' else host}/"
    return f"     try: curl {'' if host == '*' else f'-H Host:{host} '}http://{where}/"
