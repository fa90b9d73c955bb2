"""Tests of age and freshness."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_cache.freshness import control_of, initial_age, lifetime_of, plan_of, remaining
from gateway_cache.policy import Policy
from gateway_cache.tests.rules import NOW, POLICY, answer, at, stored


def lifetime(*fields: str, status: int = 200, policy: Policy = POLICY) -> tuple[float, str]:
    """Give the lifetime of a response that came now, and what says so."""
    message = answer(*fields, status=status)
    control, targeted = control_of(message, policy)
    return lifetime_of(status, message, control, NOW, policy, targeted=targeted)


class LifetimeTests(SynchronousTestCase):
    def test_order(self) -> None:
        """C{s-maxage} comes before C{max-age}, and that before C{Expires} (RFC 9111 section 4.2.1)."""
        self.assertEqual(
            lifetime("Cache-Control: max-age=1, s-maxage=2", f"Expires: {at(3)}"), (2, "s-maxage")
        )
        self.assertEqual(lifetime("Cache-Control: max-age=0", f"Expires: {at(3)}"), (0, "max-age"))
        self.assertEqual(lifetime("Cache-Control: max-age=9", "Expires: 0"), (9, "max-age"))
        self.assertEqual(lifetime(f"Expires: {at(3)}", f"Date: {at(0)}"), (3, "expires"))

    def test_expires(self) -> None:
        """C{Expires} counts from C{Date}, or from when it came if that is none (RFC 9111 section 4.2.1)."""
        self.assertEqual(lifetime(f"Expires: {at(20)}", f"Date: {at(10)}"), (10, "expires"))
        self.assertEqual(lifetime(f"Expires: {at(300)}", f"Date: {at(400)}"), (0, "expires"))
        self.assertEqual(lifetime(f"Expires: {at(10)}", "Date: foo"), (10, "expires"))
        self.assertEqual(lifetime(f"Expires: {at(10)}"), (10, "expires"))

    def test_wrong_expires(self) -> None:
        """A wrong C{Expires}, and two that differ, have run out (RFC 9111 section 5.3)."""
        self.assertEqual(lifetime("Expires: 0", f"Date: {at(0)}"), (0, "expires"))
        self.assertEqual(lifetime(f"Expires: {at(10)}", f"Expires: {at(11)}"), (0, "expires"))
        self.assertEqual(lifetime(f"Expires: {at(10)}", f"Expires: {at(10)}"), (10, "expires"))

    def test_wrong_max_age(self) -> None:
        """A wrong C{max-age} has run out, whatever C{Expires} says (RFC 9111 section 4.2.1)."""
        self.assertEqual(lifetime("Cache-Control: max-age=x", f"Expires: {at(9)}"), (0, "max-age"))

    def test_heuristic(self) -> None:
        """A part of the time since the last change is guessed, up to a bound, by setting (section 4.2.2)."""
        policy = Policy(heuristic=True, heuristic_fraction=0.1, heuristic_most=5000.0)
        fields = (f"Last-Modified: {at(-1000)}", f"Date: {at(0)}")
        self.assertEqual(lifetime(*fields), (0, "none"))
        self.assertEqual(lifetime(*fields, policy=policy), (100, "heuristic"))
        self.assertEqual(
            lifetime(f"Last-Modified: {at(-86400)}", f"Date: {at(0)}", policy=policy),
            (5000, "heuristic"),
        )
        self.assertEqual(
            lifetime(f"Last-Modified: {at(5)}", f"Date: {at(0)}", policy=policy), (0, "heuristic")
        )
        self.assertEqual(lifetime("Last-Modified: x", policy=policy), (0, "none"))

    def test_heuristic_statuses(self) -> None:
        """Nothing is guessed of other statuses unless they are public (RFC 9110 section 15.1)."""
        policy = Policy(heuristic=True, default_ttl=7.0)
        fields = (f"Last-Modified: {at(-1000)}", f"Date: {at(0)}")
        for status in (200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501):
            self.assertGreater(lifetime(*fields, status=status, policy=policy)[0], 0, status)
        for status in (201, 202, 302, 307, 403, 500, 502, 503, 504, 599):
            self.assertEqual(lifetime(*fields, status=status, policy=policy), (0, "none"), status)
            public = lifetime(*fields, "Cache-Control: public", status=status, policy=policy)
            self.assertGreater(public[0], 0, status)

    def test_defaults(self) -> None:
        """An operator may say how long what says nothing is fresh, errors apart."""
        policy = Policy(default_ttl=60.0, negative_ttl=5.0)
        self.assertEqual(lifetime(policy=policy), (60, "default"))
        self.assertEqual(lifetime(status=404, policy=policy), (5, "negative"))
        self.assertEqual(lifetime(status=503, policy=policy), (0, "none"))
        self.assertEqual(lifetime(status=404, policy=Policy(default_ttl=60.0)), (0, "none"))
        self.assertEqual(lifetime("Pragma: no-cache", policy=policy), (0, "none"))
        self.assertEqual(lifetime("Cache-Control: max-age=1", policy=policy), (1, "max-age"))

    def test_targeted(self) -> None:
        """The first targeted field that is for us counts alone; in forward mode none is (RFC 9213 section 2.2)."""
        policy = Policy(targeted=("our-cache-control", "cdn-cache-control"))
        fields = (
            "CDN-Cache-Control: max-age=60",
            "Cache-Control: s-maxage=1, max-age=2",
            f"Expires: {at(3)}",
        )
        self.assertEqual(lifetime(*fields), (1, "s-maxage"))
        self.assertEqual(lifetime(*fields, policy=policy), (60, "max-age"))
        self.assertEqual(
            lifetime(*fields, "Our-Cache-Control: max-age=7", policy=policy), (7, "max-age")
        )
        self.assertEqual(
            lifetime("CDN-Cache-Control: foo", *fields[1:], policy=policy), (0, "none")
        )
        self.assertEqual(
            lifetime("CDN-Cache-Control: &", *fields[1:], policy=policy), (1, "s-maxage")
        )


class AgeTests(SynchronousTestCase):
    def age(self, *fields: str, took: float = 0.0) -> float:
        """Give the age with which a response came."""
        return initial_age(answer(*fields), NOW - took, NOW)

    def test_age_field(self) -> None:
        """Of C{Age} the first member counts, and none that is no number (RFC 9111 section 5.1)."""
        for value, expected in (
            ("7200", 7200),
            ("0, 7200", 0),
            ("7200, 0", 7200),
            ("007", 7),
            ("2147483649", 2**31),
            ("9" * 5000, 2**31),
            ("abc", 0),
            ("-7200", 0),
            ("7200.0", 0),
            ("7200;foo=bar", 0),
            ("", 0),
        ):
            self.assertEqual(self.age(f"Age: {value}"), expected, value)
        self.assertEqual(self.age("Age: 7200", "Age: 0"), 7200)
        self.assertEqual(self.age("Age: 0", "Age: 7200"), 0)

    def test_apparent(self) -> None:
        """What was dated before it came is that old; a date ahead of the clock is no age (section 4.2.3)."""
        self.assertEqual(self.age(f"Date: {at(-100)}"), 100)
        self.assertEqual(self.age(f"Date: {at(-100)}", "Age: 30"), 100)
        self.assertEqual(self.age(f"Date: {at(100)}"), 0)
        self.assertEqual(self.age("Date: foo"), 0)
        # The date of this very second is not half a second old.
        self.assertEqual(self.age(f"Date: {at(0)}"), 0)

    def test_delay(self) -> None:
        """The time that the answer took is added to C{Age}, not to the date (section 4.2.3)."""
        self.assertEqual(self.age("Age: 30", took=5.0), 35)
        self.assertEqual(self.age(f"Date: {at(-100)}", took=5.0), 100)
        self.assertEqual(self.age("Age: 30", took=-5.0), 30)

    def test_stored(self) -> None:
        """A stored response keeps the age with which it came, without the field."""
        head = stored("Cache-Control: max-age=100", "Age: 30", f"Date: {at(0)}", took=2.0)
        self.assertNotIn(b"Age: 30", head.lines)
        self.assertAlmostEqual(plan_of(head, POLICY).age(NOW + 5), 37.0, 4)
        self.assertAlmostEqual(remaining(head, NOW + 5, POLICY), 63.0, 4)

    def test_clock_set_back(self) -> None:
        """A clock that is set back makes nothing younger than it came."""
        head = stored("Cache-Control: max-age=100", "Age: 30")
        self.assertAlmostEqual(plan_of(head, POLICY).age(NOW - 1000), 30.0, 4)

    def test_plan_is_kept(self) -> None:
        """A stored head is worked out once for each policy."""
        head = stored("Cache-Control: max-age=100")
        plan = plan_of(head, POLICY)
        self.assertIs(plan_of(head, POLICY), plan)
        self.assertIsNot(plan_of(head, Policy()), plan)

    @settings(derandomize=True, deadline=None)
    @given(
        st.lists(st.sampled_from(["Age", "Date", "Expires", "Cache-Control"]), max_size=4),
        st.lists(st.binary(max_size=30), min_size=4, max_size=4),
        st.floats(0, 100),
        st.floats(-10, 1e6),
        st.floats(0, 1e6),
    )
    def test_monotone(
        self, names: list[str], values: list[bytes], took: float, first: float, later: float
    ) -> None:
        """No bytes raise anything, no age is below 0, and none goes down."""
        fields = [
            f"{name}: {value.decode('latin-1')}" for name, value in zip(names, values, strict=False)
        ]
        self.assertGreaterEqual(self.age(*fields, took=took), 0)
        self.assertGreaterEqual(lifetime(*fields)[0], 0)
        head = stored('ETag: "a"', "Age: 3", took=took)
        plan = plan_of(head, POLICY)
        self.assertLessEqual(plan.age(NOW + first), plan.age(NOW + first + later))
