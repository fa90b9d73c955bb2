"""
Orders about what is stored: C{gateway cache show}, C{list}, C{purge} and C{stats}, as they come over the control socket.

How an answer is shown is the command's business. A URL stands for the key that the rules of its mode and site make of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from gateway_cache.contract import Store
from gateway_cache.counts import Counts
from gateway_cache.entry import Head
from gateway_cache.freshness import plan_of
from gateway_cache.keys import Place, key_of
from gateway_cache.policy import Policy
from gateway_cache.settings import Policies

SHOW, LIST, PURGE, STATS = "cache.show", "cache.list", "cache.purge", "cache.stats"
#: Responses that one answer lists.
MOST_LISTED = 1000

_LONGEST = 8192
_PORTS = {"http": 80, "https": 443}


class Orders:
    """Carries out orders, for one plugin object."""

    def __init__(
        self, store: Store, policies: Policies, counts: Counts, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._policies = policies
        self._counts = counts
        self._now = now

    async def carry_out(self, name: str, said: Mapping[str, object]) -> Mapping[str, object] | None:
        """Carry out an order, for the hook C{order}; C{None}: it is no order of this kind."""
        if name not in (SHOW, LIST, PURGE, STATS):
            return None
        texts = {key: said.get(key, "") for key in ("url", "prefix", "tag", "mode")}
        if any(not isinstance(text, str) or len(text) > _LONGEST for text in texts.values()):
            return {"why": "URLs, prefixes and tags are texts"}
        url, prefix, tag, mode = (str(texts[key]) for key in ("url", "prefix", "tag", "mode"))
        if name == STATS:
            return {"counts": self._counts.numbers(), "store": dict(self._store.stats())}
        if name == LIST:
            return await self._listed(prefix)
        if name == SHOW:
            return self._shown(url, mode)
        return await self._purged(url, prefix, tag, mode)

    def _shown(self, url: str, mode: str) -> Mapping[str, object]:
        keys = self._keys(url, mode)
        if not keys:
            return {"why": f"{url} is not a URL such as http://www.example.com/a?b"}
        found = [
            self._of(head, policy) for key, policy in keys.items() for head in self._store.find(key)
        ]
        if not found:
            return {"stored": [], "why": f"nothing is stored of {url}"}
        return {"stored": found}

    async def _listed(self, prefix: str) -> Mapping[str, object]:
        page = await self._store.entries(
            prefix=prefix.encode("latin-1", "replace"), most=MOST_LISTED
        )
        keys: dict[bytes, list[int]] = {}
        for head in page.heads:
            keys.setdefault(head.key, []).append(head.length)
        return {
            "keys": [
                {"url": key.decode("latin-1"), "variants": len(sizes), "bytes": sum(sizes)}
                for key, sizes in keys.items()
            ],
            "more": bool(page.after),
        }

    async def _purged(self, url: str, prefix: str, tag: str, mode: str) -> Mapping[str, object]:
        if sum(map(bool, (url, prefix, tag))) != 1:
            return {"why": "name one URL, one prefix or one tag"}
        if url:
            keys = self._keys(url, mode)
            if not keys:
                return {"why": f"{url} is not a URL such as http://www.example.com/a?b"}
            count = 0
            for key in keys:
                count += len(self._store.find(key))
                self._store.remove(key)
            return {"purged": count}
        count = await self._store.purge(prefix=prefix.encode("latin-1", "replace"), tag=tag)
        return {"purged": count}

    def _keys(self, url: str, mode: str) -> dict[bytes, Policy]:
        """Give the keys that a URL may have: those of both modes, unless one is named."""
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS[parts.scheme]
            raw = (parts.path or "/").encode("latin-1")
            raw += b"?" + parts.query.encode("latin-1") if parts.query else b""
        except (KeyError, ValueError):
            return {}
        if not parts.hostname:
            return {}
        place = Place(parts.scheme, parts.hostname, port, raw)
        keys: dict[bytes, Policy] = {}
        for one in (mode,) if mode else ("reverse", "forward"):
            policy = self._policies.of(one, place.host)
            if policy is not None:
                keys.setdefault(key_of(place, policy.keys), policy)
        return keys

    def _of(self, head: Head, policy: Policy) -> dict[str, object]:
        plan = plan_of(head, policy)
        age = plan.age(self._now())
        return {
            "url": head.key.decode("latin-1"),
            "status": head.status,
            "bytes": head.length,
            "age_seconds": round(age, 1),
            "fresh_seconds": round(plan.lifetime - age, 1),
            "because": plan.source,
            "vary": list(head.vary),
            "tags": list(head.tags),
            "part": None if head.part is None else head.part[0],
            "verdict": head.verdict,
        }
