"""
What is sent to one receiver and what its answers mean, by pysnmp; without sockets, without waiting.

pysnmp's engine is used as what turns PDUs to messages and back: who waits and what goes over the wire is the business of
L{gateway_snmp.loop}. So there is no asyncio, and a trap costs a millisecond or two. To import this module imports pysnmp,
which takes long: only the thread of the loop may do it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pysnmp.carrier.asyncio.dgram.udp import SNMP_UDP_DOMAIN
from pysnmp.carrier.base import AbstractTransportDispatcher
from pysnmp.entity import config
from pysnmp.entity.engine import SnmpEngine
from pysnmp.error import PySnmpError
from pysnmp.proto import errind, rfc1902
from pysnmp.proto.api import v2c
from pysnmp.proto.error import StatusInformation
from pysnmp.proto.proxy import rfc2576

from gateway_snmp.identity import Identity
from gateway_snmp.notification import Notification, Varbind
from gateway_snmp.refusals import Refused
from gateway_snmp.settings import Receiver

_MODELS: Final = {"1": 0, "2c": 1, "3": 3}
_SECURITY: Final = {"1": 1, "2c": 2, "3": 3}
_USER: Final = "receiver"

_AUTH: Final = {
    "sha1": config.USM_AUTH_HMAC96_SHA,
    "sha224": config.USM_AUTH_HMAC128_SHA224,
    "sha256": config.USM_AUTH_HMAC192_SHA256,
    "sha384": config.USM_AUTH_HMAC256_SHA384,
    "sha512": config.USM_AUTH_HMAC384_SHA512,
}
_PRIV: Final = {
    "aes128": config.USM_PRIV_CFB128_AES,
    "aes192": config.USM_PRIV_CFB192_AES,
    "aes256": config.USM_PRIV_CFB256_AES,
}

_UPTIME: Final = (1, 3, 6, 1, 2, 1, 1, 3, 0)
_TRAP_OID: Final = (1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)

#: The answers to what a receiver says for us to say it again, knowing more: its engine id, then its time.
_MOST_STEPS: Final = 4

#: pysnmp notes each answer in a list that only its own timer would empty, so its engine is made anew now and then.
_MOST_INFORMS: Final = 1000

#: The context and the security model are all that pysnmp asks the address for.
_PEER: Final = ("receiver", 0)

_CLEAR: Final = (
    (errind.UnknownUserName, "the receiver does not know the user {user}"),
    (errind.UnknownSecurityName, "the receiver does not know the user {user}"),
    (
        errind.WrongDigest,
        "the receiver says that the signature is wrong: not the same auth passphrase or auth_protocol",
    ),
    (
        errind.AuthenticationFailure,
        "the signatures do not fit: not the same auth passphrase or auth_protocol",
    ),
    (
        errind.AuthenticationError,
        "the signatures do not fit: not the same auth passphrase or auth_protocol",
    ),
    (
        errind.DecryptionError,
        "the receiver could not decrypt it: not the same priv passphrase or priv_protocol",
    ),
    (
        errind.UnsupportedSecurityLevel,
        "the receiver does not take this level of security for the user {user}",
    ),
    (errind.UnknownEngineID, "the receiver goes on saying that it does not know the engine id"),
    (errind.NotInTimeWindow, "the receiver goes on saying that the time is not its own"),
    (errind.TooBig, "the message is too long"),
)


class _Collects(AbstractTransportDispatcher):  # type: ignore[misc]
    """Takes the messages that pysnmp would send."""

    def __init__(self) -> None:
        super().__init__()
        self.message = b""

    def send_message(self, outgoingMessage: Any, *_: object) -> None:
        """Keep it."""
        self.message = bytes(outgoingMessage)


class _Age(rfc1902.Integer32):  # type: ignore[misc]
    """The age of the engine in seconds, by a clock that does not jump; pysnmp reads it by C{clone}."""

    identity: Identity

    def clone(self, *args: Any, **kwargs: Any) -> Any:
        """Give the age of now."""
        return rfc1902.Integer32(self.identity.age)


class ReceiverEngine:
    """
    Makes the messages for one receiver; of informs, one at a time.

    @ivar is_done: the receiver has acknowledged the inform.
    """

    def __init__(self, receiver: Receiver, identity: Identity) -> None:
        """
        Make it: this takes a tenth of a second.

        @raise Refused: the library can't do what the settings say.
        """
        self.is_done = False
        self._receiver = receiver
        self._identity = identity
        self._handle: int | None = None
        self._problem: object = None
        self._steps = 0
        self._pdu: Any = None
        self._is_stale = False
        self._informs = 0
        self._build()

    def _build(self) -> None:
        """Make pysnmp's engine, which knows nothing of the receiver yet."""
        identity = self._identity
        # Without an id: with one, pysnmp keeps files in a folder that everybody may write to.
        self._engine = engine = SnmpEngine()
        symbols = engine.get_mib_builder().import_symbols(
            "__SNMP-FRAMEWORK-MIB", "snmpEngineID", "snmpEngineBoots", "snmpEngineTime"
        )
        engine_id, boots, age = symbols
        engine_id.syntax = engine.snmpEngineID = engine_id.syntax.clone(identity.engine_id)
        boots.syntax = boots.syntax.clone(identity.boots)
        age.syntax = _Age(0)
        age.syntax.identity = identity
        self._wire = _Collects()
        engine.register_transport_dispatcher(self._wire)
        try:
            self._introduce()
        except PySnmpError as error:
            raise Refused(
                f"the settings of {self._receiver.address} can't be used: {_kind(error)}"
            ) from None

    def _introduce(self) -> None:
        to = self._receiver
        if to.version != "3":
            assert to.community is not None
            config.add_v1_system(self._engine, _USER, to.community.reveal(), securityName=_USER)
            self._name = _USER
            return
        config.add_v3_user(
            self._engine,
            to.user,
            _AUTH[to.auth_protocol] if to.auth else config.USM_AUTH_NONE,
            to.auth.reveal() if to.auth else None,
            _PRIV[to.priv_protocol] if to.priv else config.USM_PRIV_NONE,
            to.priv.reveal() if to.priv else None,
        )
        self._name = to.user

    def trap(self, notification: Notification) -> bytes:
        """
        Make the message of a trap.

        @raise Refused: it can't be made.
        """
        self._send(self._filled(v2c.TrapPDU(), notification), is_answered=False)
        return self._wire.message

    def inform(self, notification: Notification) -> bytes:
        """
        Begin an inform: give its first message, which may only ask the receiver who it is.

        @raise Refused: it can't be made.
        """
        self.give_up()
        self._informs += 1
        if self._is_stale or self._informs > _MOST_INFORMS:
            # It may have another engine id since; pysnmp would go on with the one that it knows.
            self._is_stale = False
            self._informs = 0
            self._build()
        self.is_done = False
        self._steps = 0
        self._pdu = self._filled(v2c.InformRequestPDU(), notification)
        self._send(self._pdu, is_answered=True)
        return self._wire.message

    def received(self, datagram: bytes) -> bytes:
        """
        Take what the receiver sent.

        @return: what to say next; empty: nothing, either because it L{is_done} or as it was no answer to this inform.
        @raise Refused: the receiver will not take it.
        """
        if self._handle is None:
            return b""
        self._problem = None
        try:
            self._engine.message_dispatcher.receive_message(
                self._engine, SNMP_UDP_DOMAIN, _PEER, datagram
            )
        except Exception:
            # What can't be read is no answer; pysnmp and its decoder raise whatever they like then.
            return b""
        problem = self._problem
        if problem is None:
            return b""
        self._steps += 1
        again = isinstance(problem, (errind.UnknownEngineID, errind.NotInTimeWindow))
        if not again or self._steps > _MOST_STEPS:
            raise Refused(_clear(problem, self._receiver.user))
        self._send(self._pdu, is_answered=True)
        return self._wire.message

    def give_up(self) -> None:
        """Forget the inform that is under way, if there is one."""
        handle, self._handle = self._handle, None
        self._pdu = None
        if handle is not None:
            self._is_stale = self._receiver.version == "3"
            self._engine.message_dispatcher.release_state_information(
                self._engine, handle, _MODELS[self._receiver.version]
            )

    def _filled(self, pdu: Any, notification: Notification) -> Any:
        v2c.apiPDU.set_defaults(pdu)
        uptime = rfc1902.TimeTicks(self._identity.age * 100)
        pairs = [
            (_UPTIME, uptime),
            (_TRAP_OID, rfc1902.ObjectIdentifier(notification.oid)),
            *((one.oid, _typed(one)) for one in notification.varbinds),
        ]
        v2c.apiPDU.set_varbinds(pdu, pairs)
        return pdu

    def _send(self, pdu: Any, *, is_answered: bool) -> None:
        """Have pysnmp make a message, which L{_Collects} takes."""
        version = self._receiver.version
        if version == "1":
            pdu = rfc2576.v2_to_v1(pdu)
        try:
            handle = self._engine.message_dispatcher.send_pdu(
                self._engine,
                SNMP_UDP_DOMAIN,
                _PEER,
                _MODELS[version],
                _SECURITY[version],
                rfc1902.OctetString(self._name),
                self._receiver.level,
                None,
                rfc1902.OctetString(b""),
                _MODELS[version],
                pdu,
                is_answered,
                0,
                self._answered if is_answered else None,
            )
        except StatusInformation as error:
            problem = error.get("errorIndication")
            raise Refused(
                _clear(problem, self._receiver.user)
                if isinstance(problem, errind.TooBig)
                else f"the message can't be made: {_kind(problem)}"
            ) from None
        except PySnmpError as error:
            raise Refused(f"the message can't be made: {_kind(error)}") from None
        if is_answered:
            self._handle = handle

    def _answered(self, *said: Any) -> None:
        """Hear from pysnmp what became of the message: the PDU, else what went wrong, then the handle."""
        pdu, status, handle = said[8], said[9], said[10]
        if handle != self._handle:
            return
        self._handle = None
        if status:
            self._problem = status["errorIndication"]
        elif pdu is None or int(v2c.apiPDU.get_error_status(pdu)):
            self._problem = errind.otherError
        else:
            self.is_done = True


def _typed(one: Varbind) -> Any:
    return _SYNTAX[one.syntax](one.value)


_SYNTAX: Final[dict[str, Callable[[Any], Any]]] = {
    "text": rfc1902.OctetString,
    "time": rfc1902.OctetString,
    "oid": rfc1902.ObjectIdentifier,
    "severity": rfc1902.Integer32,
    "state": rfc1902.Integer32,
    "truth": rfc1902.Integer32,
    "count": rfc1902.Unsigned32,
    "gauge": rfc1902.Gauge32,
}


def _clear(problem: object, user: str) -> str:
    """Say what went wrong in words; what the library says of it may hold a message's content, so it is not shown."""
    for kind, text in _CLEAR:
        if isinstance(problem, kind):
            return text.format(user=user)
    return f"the receiver does not take it: {_kind(problem)}"


def _kind(problem: object) -> str:
    return type(problem).__name__
