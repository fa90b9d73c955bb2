"""
Listing what is stored, a part at a time, in the order of keys: what an operator looks through. It is read in a thread.
"""

from __future__ import annotations

from gateway_cache.contract import Entries
from gateway_cache.encoding import Torn, read
from gateway_cache.entry import Head
from gateway_cache.opening import Folder


def list_entries(folder: Folder, prefix: bytes, after: bytes, most: int) -> Entries:
    """
    Give heads, without those that are removed and still in the index.

    @param after: what the last part gave to go on behind; empty: from the beginning.
    @raise lmdb.Error: the index is broken.
    """
    heads: list[Head] = []
    while len(heads) < most:
        some, after = folder.index.walk(prefix, after, most - len(heads))
        for _, value in some:
            try:
                place, head = read(value)
            except Torn:
                continue
            slot = folder.shared.slot(head.key)
            if (
                head.key.startswith(prefix)
                and place.since > folder.shared.words[slot + folder.shared.floor]
            ):
                heads.append(head)
        if not after:
            break
    return Entries(tuple(heads), after)
