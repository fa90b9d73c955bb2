"""How a secret is written: by the place where it is kept, and never in the file itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeAlias

import msgspec

from gateway.config import secrets
from gateway.config.faults import BadValue
from gateway.config.kind import FAULTY, Faulty, Help, Kind, Place
from gateway.config.reading import read_table


class SecretTable(msgspec.Struct, frozen=True, kw_only=True):
    """Where a secret is kept; exactly one of the three."""

    file: Annotated[str, Help("A file that holds it; the line end at its end is cut off.")] = ""
    env: Annotated[str, Help("An environment variable that holds it.")] = ""
    credential: Annotated[
        str, Help("The name of a credential passed by systemd (`LoadCredential=`).")
    ] = ""


@dataclass(frozen=True, slots=True)
class SecretKind(Kind):
    """A secret, read from where the table says."""

    name: ClassVar[str] = "secret"
    table: ClassVar[type | None] = SecretTable
    is_optional: bool = False
    """The empty text stands for none."""

    def read(self, raw: object, place: Place) -> secrets.Secret | Faulty | None:
        """Fetch the secret."""
        if self.is_optional and raw == "":
            return None
        advice = 'say where it is kept: { file = "..." }, { env = "..." } or { credential = "..." }'
        if not isinstance(raw, dict):
            raise BadValue("a secret is not written here", advice)
        where = read_table(SecretTable, raw, place)
        if isinstance(where, Faulty):
            return FAULTY
        match [bool(where.file), bool(where.env), bool(where.credential)]:
            case [True, False, False]:
                return secrets.from_file(os.path.join(place.folder, where.file))
            case [False, True, False]:
                return secrets.from_environment(where.env, place.survey.environ)
            case [False, False, True]:
                return secrets.from_credential(where.credential, place.survey.environ)
        if place.survey.is_faulty(place.path):
            return FAULTY
        raise BadValue("a secret is kept in exactly one place", advice)

    def toml(self, value: Any) -> str:
        """Show that there is one, and nothing of it."""
        return '"<secret>"' if value else '""'


SecretText: TypeAlias = Annotated[secrets.Secret, SecretKind()]
SecretOrNone: TypeAlias = Annotated[secrets.Secret | None, SecretKind(is_optional=True)]
