"""
What an unsafe request makes void (RFC 9111 section 4.4).
"""

from __future__ import annotations

from gateway_cache.keys import Target, key_of, resolve, same_origin
from gateway_cache.messages import Answer
from gateway_cache.policy import KeyRules

#: Methods registered as safe; what a method means that nobody knows, nobody knows.
SAFE = frozenset(
    (b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PROPFIND", b"REPORT", b"SEARCH", b"QUERY", b"PRI")
)


def invalidated(
    method: bytes, target: Target, answer: Answer, rules: KeyRules
) -> tuple[bytes, ...]:
    """
    Tell what a request has made void: its target, and what the response names of the same origin.

    @return: keys, each once; all variants of each are void. None for a safe method or an error.
    """
    if method in SAFE or method == b"CONNECT" or not 200 <= answer.status < 400:
        return ()
    keys = {key_of(target, rules): None}
    for name in (b"location", b"content-location"):
        for reference in answer.wanted.get(name, ()):
            place = resolve(target, reference)
            # Another origin's responses are not this one's to throw out.
            if place is not None and same_origin(place, target):
                keys[key_of(place, rules)] = None
    return tuple(keys)
