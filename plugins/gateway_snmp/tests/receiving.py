"""A receiver of notifications without a socket: pysnmp's own, which is given datagrams and gives its answers."""

from __future__ import annotations

from typing import Any

from pyasn1.codec.ber import decoder, encoder
from pysnmp.carrier.asyncio.dgram.udp import SNMP_UDP_DOMAIN
from pysnmp.carrier.base import AbstractTransportDispatcher
from pysnmp.entity import config
from pysnmp.entity.engine import SnmpEngine
from pysnmp.entity.rfc3413.ntfrcv import NotificationReceiver
from pysnmp.proto.api.v2c import ResponsePDU, apiPDU
from pysnmp.proto.mpmod.rfc3412 import SNMPv3Message
from pysnmp.proto.secmod.rfc3414.service import UsmSecurityParameters

from gateway_snmp.tests.examples import AUTH, COMMUNITY, ENGINE_ID, PRIV


class _Answers(AbstractTransportDispatcher):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def send_message(self, outgoingMessage: Any, *_: object) -> None:
        """Keep an answer."""
        self.sent.append(bytes(outgoingMessage))


class Receiving:
    """
    One receiver.

    @ivar got: what came and was believed: values by their OIDs, with dots.
    """

    def __init__(
        self,
        *,
        user: str = "gateway",
        auth: str = AUTH,
        priv: str = PRIV,
        community: str = COMMUNITY,
        auth_protocol: Any = config.USM_AUTH_HMAC192_SHA256,
        priv_protocol: Any = config.USM_PRIV_CFB128_AES,
    ) -> None:
        self.got: list[dict[str, Any]] = []
        self._engine = SnmpEngine()
        self._wire = _Answers()
        self._engine.register_transport_dispatcher(self._wire)
        config.add_v1_system(self._engine, "them", community)
        # Of traps the sender is the authority, of informs the receiver.
        for engine_id in (ENGINE_ID, None):
            config.add_v3_user(
                self._engine, user, auth_protocol, auth, priv_protocol, priv, engine_id
            )
        NotificationReceiver(self._engine, self._take)

    def _take(self, *said: Any) -> None:
        self.got.append({str(name): value for name, value in said[4]})

    def datagram(self, message: bytes) -> list[bytes]:
        """Give it a datagram, and get its answers."""
        self._wire.sent.clear()
        self._engine.message_dispatcher.receive_message(
            self._engine, SNMP_UDP_DOMAIN, ("127.0.0.1", 1), message
        )
        return list(self._wire.sent)


def forged(message: bytes) -> bytes:
    """Acknowledge a message of version 3 as somebody would who sees it and has no key: unsigned, in the user's name."""
    header, _ = decoder.decode(message, asn1Spec=SNMPv3Message())
    known, _ = decoder.decode(header["msgSecurityParameters"], asn1Spec=UsmSecurityParameters())
    response = ResponsePDU()
    apiPDU.set_defaults(response)
    known["msgAuthenticationParameters"] = known["msgPrivacyParameters"] = b""
    made = SNMPv3Message()
    made["msgVersion"] = 3
    data = made["msgGlobalData"]
    data["msgID"] = header["msgGlobalData"]["msgID"]
    data["msgMaxSize"] = 65507
    data["msgFlags"] = b"\0"
    data["msgSecurityModel"] = 3
    made["msgSecurityParameters"] = encoder.encode(known)
    scoped = made["msgData"]["plaintext"]
    scoped["contextEngineId"] = known["msgAuthoritativeEngineId"]
    scoped["contextName"] = b""
    scoped["data"]["response"] = response
    return bytes(encoder.encode(made))
