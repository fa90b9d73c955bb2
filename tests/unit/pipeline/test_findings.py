"""One answer of many results: the worst counts, and clean is only what was looked at to the last byte and depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.content import REASONS, Clean, Coverage, Infected, ScanJob, ScanResult, Unscannable
from gateway.config.sections.scan import ScanActions
from gateway.pipeline.findings import Finding, Findings
from gateway.pipeline.judged import ACTIONS
from tests.effort import examples

#: The actions as they are unless configured.
USUAL = {name: getattr(ScanActions(), name) for name in ScanActions.__struct_fields__}
REASONS_OF_CONFIG = tuple(USUAL)


def piece(size: int, member: str = "") -> ScanJob:
    """Make content, or a member."""
    return replace(ScanJob.of(bytes(size)), member=member, depth=int(bool(member)))


def clean(size: int, *, nested: bool = True, engine: str = "e") -> Clean:
    """Say clean of so many bytes."""
    return Clean(engine, "1", Coverage(size, nested))


class FindingsTestCase(SynchronousTestCase):
    """Tests of an answer."""

    def answer(
        self,
        *pieces: tuple[ScanJob, Sequence[ScanResult]],
        unpacked: bool = False,
        actions: dict[str, str] = USUAL,
    ) -> Finding | None:
        """Make one answer of what was said of pieces."""
        findings = Findings(actions)
        for job, results in pieces:
            findings.scanned(job, results)
        if unpacked:
            findings.unpacked()
        return findings.answer()

    def token(self, *pieces: tuple[ScanJob, Sequence[ScanResult]], unpacked: bool = False) -> str:
        """Give the token of it."""
        answer = self.answer(*pieces, unpacked=unpacked)
        assert answer is not None
        return answer.token


class FindingsTests(FindingsTestCase):
    """Cases."""

    def test_clean(self) -> None:
        """One engine that looked at all of it, at every depth, is enough, and is named."""
        found = self.answer((piece(9), [clean(9)]))
        self.assertEqual(found, Finding("clean", "", "", "e", "1"))

    def test_partial(self) -> None:
        """Clean of a part, or of more than there is, is unscanned, whoever else says the same."""
        for size in (0, 8, 10):
            results: list[ScanResult] = [clean(size), clean(size, engine="f")]
            self.assertEqual(self.token((piece(9), results), unpacked=True), "unscanned:partial")
        self.assertEqual(self.token((piece(9), [clean(3), clean(9)])), "clean")

    def test_depth(self) -> None:
        """Where nobody unpacked it one of the engines has to look at every depth."""
        flat = clean(9, nested=False)
        self.assertEqual(self.token((piece(9), [flat])), "unscanned:nested")
        self.assertEqual(self.token((piece(9), [flat, clean(8)])), "unscanned:nested")
        self.assertEqual(self.token((piece(9), [flat, clean(9)])), "clean")
        self.assertEqual(self.token((piece(9), [flat]), unpacked=True), "clean")

    def test_member_says_nothing_of_the_whole(self) -> None:
        """That an engine looked into a member does not mean that it looked into all."""
        pieces = (piece(9), [clean(9, nested=False)]), (piece(3, "a"), [clean(3)])
        self.assertEqual(self.token(*pieces), "unscanned:nested")
        self.assertEqual(self.token(*pieces, unpacked=True), "clean")

    def test_nobody_looked_at_a_member(self) -> None:
        """A piece that nobody judged spoils the whole; an empty one has nothing to judge."""
        whole = piece(9), [clean(9)]
        empty: list[ScanResult] = []
        found = self.answer(whole, (piece(3, "a/b"), empty), unpacked=True)
        assert found is not None
        self.assertEqual((found.token, found.member), ("unscanned:no_engine", "a/b"))
        self.assertEqual(self.token(whole, (piece(0, "a"), empty), unpacked=True), "clean")

    def test_nobody_says_anything(self) -> None:
        """If no plugin says anything of anything there is no answer."""
        self.assertIsNone(self.answer((piece(9), []), (piece(3, "a"), [])))

    def test_worst(self) -> None:
        """The strictest action counts; what was found goes before what could not be looked at."""
        locked = Unscannable("encrypted")
        broken = Unscannable("malformed")
        doubt = Infected("x", "e", certain=False)
        found = Infected("y", "e")
        self.assertEqual(self.token((piece(9), [clean(9), doubt, locked])), "encrypted")
        self.assertEqual(self.token((piece(9), [locked, doubt, broken])), "malformed")
        self.assertEqual(self.token((piece(9), [broken, found])), "infected")
        self.assertEqual(self.token((piece(9), [clean(9)]), (piece(1, "a"), [found])), "infected")

    def test_heuristics_do_not_hide(self) -> None:
        """A finding that is let pass does not make up for what nobody looked at."""
        doubt = Infected("x", "f", certain=False)
        self.assertEqual(
            self.token((piece(9), [doubt, clean(9, nested=False)])), "unscanned:nested"
        )
        self.assertEqual(self.token((piece(9), [doubt, clean(3)])), "unscanned:partial")
        self.assertEqual(self.token((piece(9), [doubt, clean(9)])), "suspicious")

    def test_member_is_named(self) -> None:
        """Where it was found stands in the answer, made printable and short."""
        found = self.answer((piece(9, "a\n/\u202eb" + "c" * 500), [Infected("X\0", "e" * 300)]))
        assert found is not None
        self.assertTrue(found.member.startswith(r"a\n/\u202ebccc"), found.member)
        self.assertEqual(found.name, r"X\x00")
        for text in (found.member, found.name, found.engine):
            self.assertTrue(text.isprintable())
            self.assertLessEqual(len(text), 200)
        self.assertIn(found.name, found.why)

    def test_reasons_that_mean_something_else(self) -> None:
        """No plugin can say clean by way of a reason; one that is none of ours is blocked."""
        for reason in (
            "clean",
            "clean:x",
            "infected",
            "not_judged",
            "not_needed",
            "",
            "A b",
            "x\n",
        ):
            found = self.answer((piece(9), [Unscannable(reason)]))
            assert found is not None
            self.assertEqual(found.token, "unscanned:other", reason)
        self.assertEqual(self.token((piece(9), [Unscannable("limit:depth")])), "limit:depth")
        self.assertEqual(self.token((piece(9), [clean(9), Unscannable("strange")])), "strange")

    def test_decided(self) -> None:
        """Only malware that is blocked ends the search: anything else may turn out to be worse."""
        for result, actions, decided in (
            (Infected("x", "e"), USUAL, True),
            (Infected("x", "e"), {**USUAL, "infected": "monitor"}, False),
            (Infected("x", "e", certain=False), {**USUAL, "suspicious": "block"}, False),
            (Unscannable("malformed"), USUAL, False),
        ):
            findings = Findings(actions)
            findings.scanned(piece(9), [result])
            self.assertIs(findings.decided, decided, result)

    def test_every_reason_has_an_action(self) -> None:
        """What C{scan.on} knows are the reasons of the API, and what is found."""
        self.assertEqual(set(USUAL), (REASONS | {"infected", "suspicious"}) - {"forbidden"})


@dataclass(frozen=True)
class Said:
    """
    What one engine says of one piece, its size aside.

    @ivar missing: how many bytes it did not look at.
    """

    kind: str
    missing: int = 0
    nested: bool = False
    reason: str = ""

    def of(self, job: ScanJob) -> ScanResult:
        """Say it of a piece."""
        if self.kind == "clean":
            return clean(job.size + self.missing, nested=self.nested)
        if self.kind == "unscannable":
            return Unscannable(self.reason)
        return Infected("x", "e", certain=self.kind == "infected")


SAID = st.builds(
    Said,
    st.sampled_from(("clean", "clean", "clean", "clean", "suspicious", "infected", "unscannable")),
    st.sampled_from((0, 0, 0, 0, 0, -1, 1)),
    st.booleans(),
    st.sampled_from((*sorted(REASONS), "limit:depth", "clean", "infected", "strange")),
)
PIECES = st.lists(st.tuples(st.integers(0, 3), st.lists(SAID, max_size=3)), min_size=1, max_size=4)
CHOICES = st.fixed_dictionaries({name: st.sampled_from(ACTIONS) for name in REASONS_OF_CONFIG})


class PropertyTests(FindingsTestCase):
    """Whatever engines and unpackers say; C{GATEWAY_EXAMPLES} says how often."""

    def pieces(
        self, said: list[tuple[int, list[Said]]]
    ) -> list[tuple[ScanJob, Sequence[ScanResult]]]:
        """Make the content and its members."""
        jobs = [piece(size, "" if not at else str(at)) for at, (size, _) in enumerate(said)]
        return [
            (job, [one.of(job) for one in all]) for job, (_, all) in zip(jobs, said, strict=True)
        ]

    def follows(self, answer: Finding | None, actions: dict[str, str]) -> int:
        """Tell how strict what follows is."""
        if answer is None or answer.token == "clean":
            return 0
        return ACTIONS.index(actions.get(answer.token.partition(":")[0], "block"))

    @settings(max_examples=examples(400), deadline=None, derandomize=True)
    @given(PIECES, st.booleans(), CHOICES)
    def test_clean_is_whole(
        self, said: list[tuple[int, list[Said]]], unpacked: bool, actions: dict[str, str]
    ) -> None:
        """Clean means: some engine saw each piece to its last byte, all depths are known, and nobody found anything."""
        pieces = self.pieces(said)
        answer = self.answer(*pieces, unpacked=unpacked, actions=actions)
        if answer is None:
            self.assertEqual([result for _, results in pieces for result in results], [])
            return
        if answer.token != "clean":
            return
        for job, results in pieces:
            whole = [
                one for one in results if isinstance(one, Clean) and one.coverage.size == job.size
            ]
            self.assertEqual([one for one in results if not isinstance(one, Clean)], [])
            self.assertTrue(whole or not job.size and not results, (job, results))
            if not job.member:
                deep = unpacked or any(one.coverage.nested for one in whole)
                self.assertTrue(deep or not whole)

    @settings(max_examples=examples(400), deadline=None, derandomize=True)
    @given(PIECES, st.booleans(), CHOICES)
    def test_worst_counts(
        self, said: list[tuple[int, list[Said]]], unpacked: bool, actions: dict[str, str]
    ) -> None:
        """What follows is at least as strict as what follows from any of the results by itself."""
        pieces = self.pieces(said)
        answer = self.answer(*pieces, unpacked=unpacked, actions=actions)
        found = self.follows(answer, actions)
        for job, results in pieces:
            for result in results:
                alone = self.answer((job, [result]), unpacked=True, actions=actions)
                if not isinstance(result, Clean):
                    self.assertGreaterEqual(found, self.follows(alone, actions))

    @settings(max_examples=examples(400), deadline=None, derandomize=True)
    @given(PIECES, st.booleans(), CHOICES, st.randoms(use_true_random=False), SAID)
    def test_more_is_never_more_lenient(
        self,
        said: list[tuple[int, list[Said]]],
        unpacked: bool,
        actions: dict[str, str],
        random: st.DataObject,
        more: Said,
    ) -> None:
        """One more engine that finds something, or can't look, never makes what follows more lenient."""
        if more.kind == "clean":
            return
        pieces = self.pieces(said)
        before = self.answer(*pieces, unpacked=unpacked, actions=actions)
        at = random.randrange(len(pieces))  # type: ignore[attr-defined]
        if not pieces[at][1]:
            # Where nobody had said anything somebody looked now.
            return
        job, results = pieces[at]
        pieces[at] = job, [more.of(job), *results]
        after = self.answer(*pieces, unpacked=unpacked, actions=actions)
        self.assertGreaterEqual(self.follows(after, actions), self.follows(before, actions))

    @settings(max_examples=examples(200), deadline=None, derandomize=True)
    @given(PIECES, st.booleans(), CHOICES, st.randoms(use_true_random=False))
    def test_order(
        self,
        said: list[tuple[int, list[Said]]],
        unpacked: bool,
        actions: dict[str, str],
        random: st.DataObject,
    ) -> None:
        """Whoever comes first, the same follows."""
        pieces = self.pieces(said)
        first = self.answer(*pieces, unpacked=unpacked, actions=actions)
        random.shuffle(pieces)  # type: ignore[attr-defined]
        pieces = [(job, random.sample(results, len(results))) for job, results in pieces]  # type: ignore[attr-defined]
        second = self.answer(*pieces, unpacked=unpacked, actions=actions)
        self.assertEqual(self.follows(first, actions), self.follows(second, actions))
