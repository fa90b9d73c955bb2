"""
The content cache: a shared one by RFC 9111, on disk and in memory, for all gateway processes of a machine.

Rules, which are pure functions (C{directives}, C{freshness}, C{storable}, C{reuse}, C{vary}, C{conditions}, C{ranges}, ...); the
store, which knows no HTTP (C{store}, C{index}, C{files}, C{memory}, C{eviction}); and what L{gateway_cache.plugin} joins them
with: looking things up, taking them, asking origins about them, and letting others wait for one request.
"""

from gateway_cache.plugin import Cache
from gateway_cache.settings import CacheSettings

__all__ = ["Cache", "CacheSettings", "plugin"]

plugin = Cache
