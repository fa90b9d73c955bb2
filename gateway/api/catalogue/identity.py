"""
Who users are: directories, files of users, addresses that say nothing of who asks.
"""

from __future__ import annotations

from typing import Final

from gateway.api.events import EventField, EventGroup, EventType, Notify, Severity

DIRECTORY_DOWN: Final = EventType(
    name="directory_down",
    number=50,
    severity=Severity.ERROR,
    group=EventGroup.IDENTITY,
    title="no directory answers",
    when="None of the servers of a directory answers any more. Once, at the beginning of it.",
    act=(
        "Look at the servers and the way there; the text says what each of them failed with, such as a password of the "
        "bind account that has run out. Nobody new can log in meanwhile; who is known already is not concerned."
    ),
    subject="the directory's base",
    trap="gwAuthBackend",
    notify=Notify.FIRST,
    owner="auth",
)

DIRECTORY_UP: Final = EventType(
    name="directory_up",
    number=51,
    severity=Severity.INFO,
    group=EventGroup.IDENTITY,
    title="directory answers again",
    when="A server of a directory of which none answered does so again.",
    act="Nothing.",
    subject="the directory's base",
    ends="directory_down",
    trap="gwAuthBackend",
    notify=Notify.FIRST,
    owner="auth",
)

AUTH_USERS_FAULTY: Final = EventType(
    name="auth_users_faulty",
    number=52,
    severity=Severity.ERROR,
    group=EventGroup.IDENTITY,
    title="file of users has a fault",
    when="A file of users or groups was changed and can't be read or has a fault. At the beginning of it.",
    act="Mend what the text names. The users that were read before still count, so nobody who was removed is locked out yet.",
    subject="the file",
    trap="gwAuthBackend",
    notify=Notify.FIRST,
    owner="auth",
)

AUTH_USERS_READ: Final = EventType(
    name="auth_users_read",
    number=53,
    severity=Severity.INFO,
    group=EventGroup.IDENTITY,
    title="file of users was read",
    when="A file of users or groups that had a fault has none any more, and counts as it is now.",
    act="Nothing.",
    subject="the file",
    ends="auth_users_faulty",
    trap="gwAuthBackend",
    notify=Notify.FIRST,
    owner="auth",
)

ADDRESS_SHARED: Final = EventType(
    name="address_shared",
    number=54,
    severity=Severity.INFO,
    group=EventGroup.IDENTITY,
    title="several users behind one address",
    when=(
        "An address turned out to have several users, as it is a proxy's or a terminal server's, so it no longer says who "
        "asks. Once as long as that holds; of a network in the settings once for all of it."
    ),
    act=(
        "Usually nothing: its users are identified by connection, credentials or cookie. If the address is a known proxy or "
        "terminal server, put it into network.trusted_proxies or network.shared_networks."
    ),
    subject="the address, or the network of the settings that it is in",
    fields=(
        EventField("address", "The address.", "10.9.0.14"),
        EventField("reason", "How it was noticed: users, relayed, network or proxy.", "users"),
    ),
    trap="gwAuthBackend",
    notify=Notify.NEVER,
    owner="auth",
)

TYPES: Final = (DIRECTORY_DOWN, DIRECTORY_UP, AUTH_USERS_FAULTY, AUTH_USERS_READ, ADDRESS_SHARED)
