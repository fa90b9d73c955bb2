"""
What entries with a path mean where the path can't be seen, said before somebody finds it out (S16).

A CONNECT has no path, and it is judged before anything in the tunnel is decrypted. So what such an entry comes to depends on
C{tunnels} and on C{tls.decrypt} together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gateway.api import Caution
from gateway_allow_deny.entries import Entry, Network

Use: TypeAlias = Literal["allow", "deny"]
Tunnels: TypeAlias = Literal["closed", "open"]
Decrypt: TypeAlias = Literal["none", "rules", "all"]

#: So many entries are named.
_SHOWN = 3

#: What becomes of a tunnel to the host of such an entry.
_TUNNELS: dict[tuple[Use, Tunnels], str] = {
    ("deny", "closed"): "tunnels to the whole host are refused",
    ("deny", "open"): "tunnels to the host pass",
    ("allow", "closed"): "no tunnel to the host is allowed by it",
    ("allow", "open"): "all tunnels to the host are allowed",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """
    One list.

    @ivar use: what it is for, which is also its setting.
    @ivar written: its entries in the settings, those of files left out.
    @ivar with_paths: all entries with a path, those of files included.
    """

    use: Use
    written: Sequence[Entry | Network]
    with_paths: Sequence[Entry]

    def key(self, one: Entry) -> tuple[str | int, ...]:
        """Give the setting in which an entry stands."""
        for index, written in enumerate(self.written):
            if written.text == one.text:
                return (self.use, index)
        return (f"{self.use}_files",)


def path_caution(listed: Listed, tunnels: Tunnels, decrypt: Decrypt) -> Iterator[Caution]:
    """Say what the entries with a path of one list come to in the tunnels of a forward proxy, if that may surprise."""
    able = [one for one in listed.with_paths if one.scheme != "http"]
    if not able or (decrypt == "all" and tunnels == "open"):
        return
    count = f"{len(able)} entries with a path are" if len(able) > 1 else "1 entry with a path is"
    what = _TUNNELS[listed.use, tunnels]
    if decrypt == "all":
        said = f"{count} judged by the host at CONNECT, before it is decrypted"
        mend = 'tunnels = "open" leaves it to the requests within'
    else:
        said = f"{count} host-only unless decrypted"
        if decrypt == "none":
            said += ', which nothing is (tls.decrypt = "none")'
            mend = 'have the hosts decrypted, with tunnels = "open"; or list hosts alone'
        elif tunnels == "closed":
            mend = 'tunnels = "open", if the hosts are decrypted'
        else:
            mend = "have the hosts in tls.decrypt_hosts"
    names = ", ".join(one.text for one in able[:_SHOWN])
    if len(able) > 1:
        names = f"such as {names}"
    yield Caution(f'{said}: {names}; by tunnels = "{tunnels}" {what}', listed.key(able[0]), mend)
