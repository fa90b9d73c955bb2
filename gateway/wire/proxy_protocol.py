"""
The PROXY protocol, versions 1 and 2: who the client is, told by a load balancer in front of us.

Follows HAProxy's C{doc/proxy-protocol.txt} (cited as "PROXY section 2.1"). Only the bytes are judged here:
whether a peer may send such a header at all, and what becomes of the addresses, is for the listener to say. A
listener that expects the header must never go on without it (PROXY section 2).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address

#: Longest version 1 line with its line end (PROXY section 2.1).
MAX_LINE_BYTES = 107
#: Default limit of a version 2 header, everything included.
MAX_HEADER_BYTES = 4096

_V1_SIGNATURE = b"PROXY "
_V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED_BYTES = 16
_LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?"
    rb"|(TCP[46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4}))\r\n"
)


class ProxyProtocolError(ValueError):
    """
    The peer's header breaks the protocol; the connection is to be dropped without an answer.

    @ivar section: the section of the protocol's text that is broken, such as C{"PROXY section 2.1"}.
    """

    def __init__(self, detail: str, section: str) -> None:
        super().__init__(f"{detail} ({section})")
        self.section = section


class Command(IntEnum):
    """What the connection is for."""

    #: The sender speaks for itself, as in a health check: the real addresses count.
    LOCAL = 0
    #: The sender speaks for somebody else.
    PROXY = 1


class Family(IntEnum):
    """What kind of addresses the header holds."""

    UNSPEC = 0
    INET = 1
    INET6 = 2
    UNIX = 3


class Transport(IntEnum):
    """What kind of socket the client used."""

    UNSPEC = 0
    STREAM = 1
    DGRAM = 2


class TlvType(IntEnum):
    """Registered types of version 2's additional values (PROXY section 2.2)."""

    ALPN = 0x01
    AUTHORITY = 0x02
    CRC32C = 0x03
    NOOP = 0x04
    UNIQUE_ID = 0x05
    SSL = 0x20
    SSL_VERSION = 0x21
    SSL_CN = 0x22
    SSL_CIPHER = 0x23
    SSL_SIG_ALG = 0x24
    SSL_KEY_ALG = 0x25
    NETNS = 0x30


class SslClient(IntFlag):
    """What the client did by TLS (PROXY section 2.2.6)."""

    SSL = 0x01
    CERT_CONN = 0x02
    CERT_SESS = 0x04


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    One end of the client's connection.

    @ivar host: an IP address in its canonical text form.
    """

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class UnixEndpoint:
    """One end of a client's connection on a Unix socket; an unnamed one has an empty path."""

    path: bytes


@dataclass(frozen=True, slots=True)
class Tlv:
    """One additional value as it was received; the type may be one that nobody has registered."""

    type: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Ssl:
    """
    What the sender says of the client's TLS connection to it (PROXY section 2.2.6).

    @ivar verify: the sender's verification result; 0 also when there was no certificate, so ask
        L{certificate_verified}.
    """

    client: SslClient
    verify: int
    version: str | None = None
    common_name: str | None = None
    cipher: str | None = None
    signature_algorithm: str | None = None
    key_algorithm: str | None = None

    @property
    def certificate_verified(self) -> bool:
        """Tell whether the client showed a certificate and the sender found it good."""
        return self.verify == 0 and bool(self.client & (SslClient.CERT_CONN | SslClient.CERT_SESS))


@dataclass(frozen=True, slots=True)
class Header:
    """
    A complete header.

    @ivar source: the client; C{None} if the header does not tell, and then the socket's own addresses count: always
        for L{Command.LOCAL}, for an unknown family and for anything but a stream.
    @ivar destination: what the client connected to; C{None} exactly when C{source} is.
    @ivar tlvs: additional values of version 2 in their order, those of unknown type too; all of known type are
        well-formed.
    """

    version: int
    command: Command = Command.PROXY
    family: Family = Family.UNSPEC
    transport: Transport = Transport.UNSPEC
    source: Endpoint | UnixEndpoint | None = None
    destination: Endpoint | UnixEndpoint | None = None
    tlvs: tuple[Tlv, ...] = ()

    def value(self, type: int) -> bytes | None:
        """Give the first additional value of a type."""
        return next((tlv.value for tlv in self.tlvs if tlv.type == type), None)

    @property
    def alpn(self) -> bytes | None:
        """Give the application protocol the client negotiated, such as C{b"h2"}."""
        return self.value(TlvType.ALPN)

    @property
    def authority(self) -> str | None:
        """Give the host name the client asked for, usually its SNI."""
        value = self.value(TlvType.AUTHORITY)
        return None if value is None else value.decode()

    @property
    def unique_id(self) -> bytes | None:
        """Give the sender's name for this connection, opaque."""
        return self.value(TlvType.UNIQUE_ID)

    @property
    def netns(self) -> str | None:
        """Give the name of the sender's network name space."""
        value = self.value(TlvType.NETNS)
        return None if value is None else value.decode("ascii")

    @property
    def ssl(self) -> Ssl | None:
        """Give what is said of TLS."""
        value = self.value(TlvType.SSL)
        return None if value is None else _ssl(value)


class Decoder:
    """
    Take one header off the front of a stream.

    @ivar rest: what came after the header; to be read as the client's own bytes.
    """

    def __init__(self, max_bytes: int = MAX_HEADER_BYTES) -> None:
        """
        Begin.

        @param max_bytes: limit of a version 2 header with its additional values; version 1 has its own.
        """
        self.rest = b""
        self._max_bytes = max_bytes
        self._buffer = b""
        self._done = False

    def receive(self, data: bytes) -> Header | None:
        """
        Take bytes from the peer; give the header once it is complete.

        A wrong first byte is refused as it arrives, not after a time-out: a client that speaks HTTP here never waits.

        @param data: any length; C{b""} means the peer closed its side.
        @raise ProxyProtocolError: nothing more can be read then.
        """
        if self._done:
            raise RuntimeError("the header was already read, or refused")
        self._done = True
        if not data:
            raise ProxyProtocolError("closed before the end of the header", "PROXY section 2")
        buffer = self._buffer = self._buffer + data
        if _V1_SIGNATURE.startswith(buffer[: len(_V1_SIGNATURE)]):
            length = _line_length(buffer)
        elif _V2_SIGNATURE.startswith(buffer[: len(_V2_SIGNATURE)]):
            length = self._block_length(buffer)
        else:
            raise ProxyProtocolError("not a PROXY protocol header", "PROXY section 2")
        if length is None or len(buffer) < length:
            self._done = False
            return None
        header = (_parse_line if buffer[0] == _V1_SIGNATURE[0] else _parse_block)(buffer[:length])
        self.rest = buffer[length:]
        self._buffer = b""
        return header

    def _block_length(self, buffer: bytes) -> int | None:
        # Both bytes are judged as they come, so that every cut of the stream ends in the same error.
        if len(buffer) > 12 and buffer[12] not in (0x20, 0x21):
            raise ProxyProtocolError("unknown version or command", "PROXY section 2.2")
        if len(buffer) > 13 and (
            buffer[13] >> 4 > Family.UNIX or buffer[13] & 15 > Transport.DGRAM
        ):
            raise ProxyProtocolError("unknown address family or transport", "PROXY section 2.2")
        if len(buffer) < _V2_FIXED_BYTES:
            return None
        length = _V2_FIXED_BYTES + int.from_bytes(buffer[14:16], "big")
        if length > self._max_bytes:
            raise ProxyProtocolError(
                f"header of more than {self._max_bytes} bytes", "PROXY section 2.2"
            )
        return length


def encode(header: Header) -> bytes:
    """
    Write a header in its own version.

    A L{TlvType.CRC32C} among the additional values is filled in with the right sum, whatever it held.

    @raise ValueError: the version cannot say this.
    """
    if header.source is not None and header.transport is not Transport.STREAM:
        raise ValueError("addresses are told of streams only")
    if header.version == 1:
        return _encode_line(header)
    if header.version == 2:
        return _encode_block(header)
    raise ValueError(f"no version {header.version} of the PROXY protocol")


def _line_length(buffer: bytes) -> int | None:
    end = buffer.find(b"\n", 0, MAX_LINE_BYTES)
    if end < 0:
        if len(buffer) >= MAX_LINE_BYTES:
            raise ProxyProtocolError(f"no line end in {MAX_LINE_BYTES} bytes", "PROXY section 2.1")
        return None
    return end + 1


def _parse_line(line: bytes) -> Header:
    matched = _LINE.fullmatch(line)
    if matched is None:
        raise ProxyProtocolError("malformed line", "PROXY section 2.1")
    family, source, destination, source_port, destination_port = matched.groups()
    if family is None:
        return Header(1)
    # Python refuses leading zeros, too many groups and the like. An IPv4 tail in an IPv6 address is let pass: it is
    # what inet_ntop makes of a mapped address, so real senders write it.
    kind = IPv4Address if family == b"TCP4" else IPv6Address
    ports = int(source_port), int(destination_port)
    try:
        hosts = str(kind(source.decode())), str(kind(destination.decode()))
    except AddressValueError:
        raise ProxyProtocolError("malformed address", "PROXY section 2.1") from None
    if max(ports) > 65535:
        raise ProxyProtocolError("port out of range", "PROXY section 2.1")
    return Header(
        1,
        Command.PROXY,
        Family.INET if family == b"TCP4" else Family.INET6,
        Transport.STREAM,
        Endpoint(hosts[0], ports[0]),
        Endpoint(hosts[1], ports[1]),
    )


#: Layout of the addresses by family (PROXY section 2.2).
_ADDRESSES = {
    Family.UNSPEC: struct.Struct("!"),
    Family.INET: struct.Struct("!4s4sHH"),
    Family.INET6: struct.Struct("!16s16sHH"),
    Family.UNIX: struct.Struct("!108s108s"),
}


def _parse_block(block: bytes) -> Header:
    command = Command(block[12] & 15)
    family = Family(block[13] >> 4)
    transport = Transport(block[13] & 15)
    if command is Command.LOCAL:
        # All that follows is to be discarded, the family too.
        return Header(2, command)
    if (family is Family.UNSPEC) is not (transport is Transport.UNSPEC):
        # Half a statement: nothing says how long its addresses are, so there are no additional values either.
        return Header(2, command, family, transport)
    layout = _ADDRESSES[family]
    start = _V2_FIXED_BYTES + layout.size
    if len(block) < start:
        raise ProxyProtocolError("too short for its addresses", "PROXY section 2.2")
    source: Endpoint | UnixEndpoint | None = None
    destination: Endpoint | UnixEndpoint | None = None
    if transport is Transport.STREAM:
        fields = layout.unpack_from(block, _V2_FIXED_BYTES)
        if family is Family.UNIX:
            source, destination = (UnixEndpoint(field.rstrip(b"\0")) for field in fields)
        else:
            source = Endpoint(str(ip_address(fields[0])), fields[2])
            destination = Endpoint(str(ip_address(fields[1])), fields[3])
    tlvs = _tlvs(block, start)
    header = Header(2, command, family, transport, source, destination, tlvs)
    _check_tlvs(header, block, start)
    return header


def _tlvs(data: bytes, start: int = 0) -> tuple[Tlv, ...]:
    found = []
    seen = set()
    while start < len(data):
        end = start + 3 + int.from_bytes(data[start + 1 : start + 3], "big")
        if len(data) < start + 3 or len(data) < end:
            raise ProxyProtocolError("additional value cut short", "PROXY section 2.2")
        type = data[start]
        # Of two values of one kind, two readers may each believe another one.
        if type in seen and type in _SINGLE:
            raise ProxyProtocolError("additional value given twice", "PROXY section 2.2")
        seen.add(type)
        found.append(Tlv(type, data[start + 3 : end]))
        start = end
    return tuple(found)


_SINGLE = frozenset(TlvType) - {TlvType.NOOP}


def _check_tlvs(header: Header, block: bytes, start: int) -> None:
    for tlv in header.tlvs:
        if tlv.type == TlvType.CRC32C:
            if len(tlv.value) != 4:
                raise ProxyProtocolError("checksum is not 32 bits", "PROXY section 2.2.3")
            at = start + 3
            zeroed = block[:at] + bytes(4) + block[at + 4 :]
            if _crc32c(zeroed) != int.from_bytes(tlv.value, "big"):
                raise ProxyProtocolError("wrong checksum", "PROXY section 2.2.3")
        start += 3 + len(tlv.value)
    if len(header.unique_id or b"") > 128:
        raise ProxyProtocolError("unique id of more than 128 bytes", "PROXY section 2.2.5")
    try:
        # Reading each once is what makes the properties safe to use later.
        _ = header.authority, header.netns, header.ssl
    except UnicodeDecodeError:
        raise ProxyProtocolError("text in a wrong encoding", "PROXY section 2.2") from None


def _ssl(value: bytes) -> Ssl:
    if len(value) < 5:
        raise ProxyProtocolError("TLS value cut short", "PROXY section 2.2.6")
    parts = {tlv.type: tlv.value for tlv in _tlvs(value, 5)}

    def text(type: TlvType, encoding: str = "ascii") -> str | None:
        part = parts.get(type)
        return None if part is None else part.decode(encoding)

    return Ssl(
        SslClient(value[0]),
        int.from_bytes(value[1:5], "big"),
        text(TlvType.SSL_VERSION),
        text(TlvType.SSL_CN, "utf-8"),
        text(TlvType.SSL_CIPHER),
        text(TlvType.SSL_SIG_ALG),
        text(TlvType.SSL_KEY_ALG),
    )


def _encode_line(header: Header) -> bytes:
    if header.command is not Command.PROXY or header.tlvs:
        raise ValueError("version 1 knows neither commands nor additional values")
    match header.source, header.destination:
        case Endpoint() as source, Endpoint() as destination:
            _packed(header.family, source, destination)
            family = "TCP4" if header.family is Family.INET else "TCP6"
            return f"PROXY {family} {source.host} {destination.host} {source.port} {destination.port}\r\n".encode()
        case None, None:
            return b"PROXY UNKNOWN\r\n"
    raise ValueError("version 1 knows TCP only")


def _encode_block(header: Header) -> bytes:
    match header.source, header.destination:
        case Endpoint() as source, Endpoint() as destination:
            addresses = _packed(header.family, source, destination)
        case UnixEndpoint(source_path), UnixEndpoint(destination_path):
            if (
                header.family is not Family.UNIX
                or max(len(source_path), len(destination_path)) > 108
            ):
                raise ValueError("not two paths of at most 108 bytes in the family UNIX")
            addresses = _ADDRESSES[Family.UNIX].pack(source_path, destination_path)
        case None, None:
            if header.family is not Family.UNSPEC:
                raise ValueError("a family without addresses")
            addresses = b""
        case _:
            raise ValueError("two ends of different kinds")
    block = bytearray(addresses)
    checksum_at = None
    for tlv in header.tlvs:
        value = tlv.value
        if tlv.type == TlvType.CRC32C:
            checksum_at = _V2_FIXED_BYTES + len(block) + 3
            value = bytes(4)
        block += struct.pack("!BH", tlv.type, len(value)) + value
    fixed = struct.pack(
        "!BBH", 0x20 | header.command, header.family << 4 | header.transport, len(block)
    )
    block[:0] = _V2_SIGNATURE + fixed
    if checksum_at is not None:
        block[checksum_at : checksum_at + 4] = _crc32c(block).to_bytes(4, "big")
    return bytes(block)


def _packed(family: Family, source: Endpoint, destination: Endpoint) -> bytes:
    hosts = ip_address(source.host), ip_address(destination.host)
    version = {Family.INET: 4, Family.INET6: 6}.get(family)
    if any(host.version != version for host in hosts):
        raise ValueError("addresses of another family")
    if not all(0 <= port <= 65535 for port in (source.port, destination.port)):
        raise ValueError("port out of range")
    return _ADDRESSES[family].pack(hosts[0].packed, hosts[1].packed, source.port, destination.port)


def _crc32c_table() -> tuple[int, ...]:
    table = []
    for entry in range(256):
        for _ in range(8):
            entry = entry >> 1 ^ (0x82F63B78 if entry & 1 else 0)
        table.append(entry)
    return tuple(table)


_CRC32C = _crc32c_table()


def _crc32c(data: bytes | bytearray) -> int:
    """Compute the Castagnoli sum (RFC 4960 appendix B); zlib has only the other polynomial."""
    rest = 0xFFFFFFFF
    for byte in data:
        rest = rest >> 8 ^ _CRC32C[(rest ^ byte) & 255]
    return rest ^ 0xFFFFFFFF
