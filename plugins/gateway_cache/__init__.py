"""
The content cache: a shared one by RFC 9111, on disk and in memory, for all gateway processes of a machine.

Rules, which are pure functions (C{directives}, C{freshness}, C{storable}, C{reuse}, C{vary}, C{conditions}, C{ranges}, ...); the
store, which knows no HTTP; and what L{gateway_cache.plugin} joins them with: looking things up, taking them, asking origins about
them, and letting others wait for one request.

The store (C{store}) finds (C{finding}, C{memory}, C{others}) and takes in (C{storing}, C{incoming}) in the reactor's thread. What is
to be written waits (C{write_queue}, C{operations}) and is carried out in another (C{writing}, C{limits}, C{eviction}), into the
index (C{index}, C{change}, C{tables}, C{encoding}) and files (C{files}) of a folder (C{opening}, C{shared}). Purges (C{purging}),
lists (C{listing}) and sweeps (C{sweeping}) are calls in threads (C{calls}) too. On a full disk it steps aside (C{aside}).
"""

from gateway_cache.plugin import Cache
from gateway_cache.settings import CacheSettings

__all__ = ["Cache", "CacheSettings", "plugin"]

plugin = Cache
