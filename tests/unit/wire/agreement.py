"""
When two readings of the same bytes agree.

Where we accept a message every oracle must have read the same one, or have refused it, and not all of them may have
refused: stricter than one is fine, laxer than all is a hole.
"""

from __future__ import annotations

from dataclasses import replace

from tests.unit.wire.reading import Message, Reading

#: By oracle: words of an error, and why that error says nothing about us.
REASONS = {
    "llhttp": {
        "Invalid method encountered": "it has a list of methods; RFC 9110 section 9.1 has none that ends",
        "Invalid HTTP version": "RFC 9110 section 2.5: a later minor version is read as the highest one known",
        "Invalid characters in url": "which of the four forms a target has is for gateway.message.target to judge",
        "Unexpected start char in url": "the same",
        "Unexpected char in url": "the same",
        "Expected space after method": "it looks for methods of its list letter by letter",
    },
    "h11": {
        "no request line received": "RFC 9112 section 2.2: a server should ignore an empty line before a request line",
    },
}

#: The same for trailers: both oracles look for framing there, where it means nothing; RFC 9110 section 6.5.1 lets us
#: drop it. These reasons count only once the oracle has given the head.
REASONS_IN_TRAILERS = {
    "llhttp": (
        "Content-Length can't be present with Transfer-Encoding",
        "Transfer-Encoding can't be present with",
        "Invalid `Transfer-Encoding` header value",
        "Empty Transfer-Encoding",
    ),
    "h11": (
        "Only Transfer-Encoding: chunked is supported",
        "multiple Transfer-Encoding headers",
        "conflicting Content-Length headers",
    ),
}


def plain(message: Message) -> Message:
    """Level what one oracle changes: h11 gives codings in lower case."""
    fields = tuple(
        (name, value.lower() if name == b"transfer-encoding" else value)
        for name, value in message.fields
    )
    return replace(message, fields=fields)


def verdict(reading: Reading, index: int, mine: Message) -> str:
    """
    Compare a message of ours with that of an oracle.

    @return: C{"same"}, C{"refused"}, C{"other"}, or C{""} if it did not get so far for a reason of its own.
    """
    if index < len(reading.messages):
        theirs = reading.messages[index]
        if plain(theirs) == plain(mine):
            return "same"
        if not reading.refused or theirs.complete:
            return "other"
    elif reading.stopped:
        return ""
    return "refused" if reading.refused else "other"


def excused(oracle: str, reading: Reading, index: int) -> bool:
    """Tell whether an oracle refused a message for one of the L{REASONS}, or in trailers."""
    if any(words in reading.refused for words in REASONS[oracle]):
        return True
    in_trailers = any(words in reading.refused for words in REASONS_IN_TRAILERS[oracle])
    return in_trailers and index < len(reading.messages)


def disagreement(data: bytes, mine: Reading, theirs: dict[str, Reading]) -> str:
    """
    Compare message by message; an oracle is asked no more once it has differed or ended.

    @return: what is wrong, in words; empty if nothing is.
    """
    asked = dict(theirs)
    for index, message in enumerate(mine.messages):
        found = {oracle: verdict(reading, index, message) for oracle, reading in asked.items()}
        if "other" in found.values():
            return f"{data!r}: we read {message}, but {asked}"
        if message.complete:
            strict = [
                oracle
                for oracle, said in found.items()
                if said == "refused" and not excused(oracle, asked[oracle], index)
            ]
            if strict and "same" not in found.values():
                return f"we alone accept {data!r}: {message}, but {asked}"
        asked = {oracle: asked[oracle] for oracle, said in found.items() if said == "same"}
    return ""
