"""Why a receiver gets nothing."""

from __future__ import annotations


class Refused(Exception):
    """The receiver says no, or a message can't be made; the text says why, without secrets."""
