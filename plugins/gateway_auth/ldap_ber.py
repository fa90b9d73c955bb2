"""
As much of BER as LDAP uses: tags of one byte, definite lengths, strings in one piece (RFC 4511 section 5.1, X.690).

Writing gives the shortest lengths. Reading takes longer ones too, as Active Directory writes all of them with four bytes. Nothing
here calls itself, and nothing is copied before its length is known to fit. Knows nothing of what the elements mean.
"""

from __future__ import annotations

BOOLEAN, INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET = 0x01, 0x02, 0x04, 0x0A, 0x30, 0x31

#: A tag with more bytes to come.
_LONG_TAG = 0x1F


class BadMessage(Exception):
    """
    What came is no message.

    The text says why, and has nothing of what came in it.
    """


def element(tag: int, content: bytes) -> bytes:
    """Write an element."""
    size = len(content)
    if size < 0x80:
        return b"%c%c%b" % (tag, size, content)
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return b"%c%c%b%b" % (tag, 0x80 | len(length), length, content)


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Write a number, 0 or more."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def read(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """
    Find out where an element's content is.

    @param at: where it begins.
    @param end: where what it is in ends.
    @return: its tag, and where its content begins and ends.
    @raise BadMessage: it is none, or does not end before C{end}.
    """
    begin = at + 2
    if begin > end:
        raise BadMessage("an element is cut off")
    tag, size = data[at], data[at + 1]
    if tag & _LONG_TAG == _LONG_TAG:
        raise BadMessage("a tag is too long")
    if size >= 0x80:
        count = size - 0x80
        # 0x80 alone would be a length that nobody knows yet.
        if not 1 <= count <= 4:
            raise BadMessage("a length is indefinite or too long")
        if begin + count > end:
            raise BadMessage("an element is cut off")
        size = int.from_bytes(data[begin : begin + count], "big")
        begin += count
    if size > end - begin:
        raise BadMessage("an element is longer than what it is in")
    return tag, begin, begin + size


def expect(data: bytes, at: int, end: int, wanted: int) -> tuple[int, int]:
    """
    Find out where the content of an element of this tag is; as L{read}.

    @raise BadMessage: it has another tag, too.
    """
    begin = at + 2
    # Most are short: nothing else is to be looked at.
    if begin <= end and data[at] == wanted and (size := data[at + 1]) < 0x80:
        stop = begin + size
        if stop <= end:
            return begin, stop
    tag, begin, stop = read(data, at, end)
    if tag != wanted:
        raise BadMessage("an element is not what it has to be")
    return begin, stop


def whole_number(data: bytes, begin: int, end: int) -> int:
    """
    Read the content of an INTEGER or ENUMERATED.

    @raise BadMessage: it is below 0, or needs more than 31 bits.
    """
    if not 1 <= end - begin <= 4 or data[begin] >= 0x80:
        raise BadMessage("a number is out of bounds")
    return int.from_bytes(data[begin:end], "big")


def message_size(data: bytes | bytearray, most: int) -> int:
    """
    Tell how long the message is that begins here.

    @param data: its beginning, of any length.
    @param most: it may not be longer.
    @return: its length with all; 0 while that can't be known yet.
    @raise BadMessage: it is none, or longer.
    """
    if data and data[0] != SEQUENCE:
        raise BadMessage("a message does not begin as one")
    if len(data) < 2:
        return 0
    size, begin = data[1], 2
    if size >= 0x80:
        count = size - 0x80
        if not 1 <= count <= 4:
            raise BadMessage("a length is indefinite or too long")
        begin += count
        if len(data) < begin:
            return 0
        size = int.from_bytes(data[2:begin], "big")
    if begin + size > most:
        raise BadMessage("the answer is too long")
    return begin + size
