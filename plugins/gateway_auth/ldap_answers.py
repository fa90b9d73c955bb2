"""
What is waited for on a connection to a directory server, and what is made of the messages that come (RFC 4511 section 4).

An answer has the number and the kind of its question, or it is none. Knows nothing of transports and of time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol, TypeAlias, TypeVar

from gateway_auth.bind_results import Answer
from gateway_auth.ldap_ber import BadMessage
from gateway_auth.ldap_faults import described
from gateway_auth.ldap_filters import BadFilter, all_of, any_of, encode_filter
from gateway_auth.ldap_messages import (
    BIND_ANSWER,
    EXTENDED_ANSWER,
    SEARCH_DONE,
    Entry,
    Reference,
    Result,
    matched_values,
    search_request,
)
from gateway_auth.ldap_wire import Found, Question, SearchRefused, ServerFailed, TooMany

T_co = TypeVar("T_co", covariant=True)

#: What one message says.
Said: TypeAlias = Entry | Reference | Result

#: noSuchObject and referral: there is nothing of it here.
_NOTHING: Final = (10, 32)
_SIZE_LIMIT: Final = 4
#: Of the server, not of the question: timeLimitExceeded, adminLimitExceeded, busy, unavailable, other.
_SERVERS_FAULT: Final = (3, 11, 51, 52, 80)


class Awaited(Protocol[T_co]):
    """What is waited for."""

    def take(self, about: int, said: Said) -> T_co | None:
        """
        Take a message.

        @param about: the number of what it answers.
        @return: what it all came to; C{None}: there is more to come.
        @raise BadMessage: it is no answer to this.
        @raise ServerFailed: the server does not do its work.
        """


class Binding:
    """The answer to a bind."""

    __slots__ = ("_number",)

    def __init__(self, number: int) -> None:
        self._number = number

    def take(self, about: int, said: Said) -> Answer | None:
        """Take it."""
        result = _result(self._number, BIND_ANSWER, about, said)
        return Answer(result.code, result.message, result.controls)


class StartingTls:
    """The answer to the wish for TLS."""

    __slots__ = ("_number",)

    def __init__(self, number: int) -> None:
        self._number = number

    def take(self, about: int, said: Said) -> Result | None:
        """Take it."""
        result = _result(self._number, EXTENDED_ANSWER, about, said)
        if result.code != 0:
            raise ServerFailed(f"StartTLS is refused: {described(result)}")
        return result


class Searching:
    """
    The answers to several searches, in whatever order they come.

    @ivar answers: by the place of the question; empty lists, to be filled or replaced.
    @ivar asked: the places of questions that are not answered to the end, by the numbers of their messages.
    """

    __slots__ = ("_questions", "answers", "asked")

    def __init__(self, questions: Sequence[Question]) -> None:
        self._questions = questions
        self.answers: list[Found] = [[] for _ in questions]
        self.asked: dict[int, int] = {}

    def requests(self) -> Iterator[tuple[int, bytes]]:
        """Give what is to be sent, but for the messages' numbers, with the places; what has no filter is answered by that."""
        for place, question in enumerate(self._questions):
            try:
                request = _request(question)
            except BadFilter as error:
                self.answers[place] = SearchRefused(f"a filter is none: {error}")
            else:
                yield place, request

    def take(self, about: int, said: Said) -> list[Found] | None:
        """Take a message."""
        place = self.asked.get(about)
        if place is None:
            raise BadMessage("an answer is to something that was not asked")
        entries, limit = self.answers[place], self._questions[place].limit
        assert isinstance(entries, list)
        if isinstance(said, Entry):
            if len(entries) <= limit:
                # The connection is kept, so all has to be read; what is too much is not kept.
                entries.append(said)
        elif isinstance(said, Result):
            _check_kind(said, SEARCH_DONE)
            del self.asked[about]
            self.answers[place] = _outcome(said, entries, limit)
            if not self.asked:
                return self.answers
        return None


def _request(question: Question) -> bytes:
    """
    Write a search, but for its message's number.

    @raise BadFilter: a filter is none.
    """
    either = [encode_filter(one) for one in question.either]
    if not either:
        wanted = encode_filter(question.filter)
    else:
        wanted = any_of(either)
        if question.filter:
            wanted = all_of([encode_filter(question.filter), wanted])
    request = search_request(
        question.base, question.scope, wanted, question.attributes, question.limit
    )
    return request + matched_values(either) if question.matched else request


def _outcome(result: Result, entries: list[Entry], limit: int) -> Found:
    """
    Say what came of a search.

    @raise ServerFailed: the server does not do its work.
    """
    if result.code == _SIZE_LIMIT or len(entries) > limit:
        return TooMany(f"more than {limit} entries")
    if result.code in _NOTHING:
        return []
    if result.code in _SERVERS_FAULT:
        raise ServerFailed(f"a search fails: {described(result)}")
    if result.code != 0:
        return SearchRefused(f"a search is refused: {described(result)}")
    return entries


def _result(number: int, kind: int, about: int, said: Said) -> Result:
    """
    See that a message is the answer to a request.

    @raise BadMessage: it is another one.
    """
    if about != number:
        raise BadMessage("an answer is to something that was not asked")
    if not isinstance(said, Result):
        raise BadMessage("an answer is of another kind than its question")
    _check_kind(said, kind)
    return said


def _check_kind(result: Result, kind: int) -> None:
    """
    See that a result is the one of a question.

    @raise BadMessage: it is that of another one.
    """
    if result.kind != kind:
        raise BadMessage("an answer is of another kind than its question")
