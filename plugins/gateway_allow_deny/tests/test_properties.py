"""Whatever the spelling, the verdict is the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_allow_deny.canonical import canonical_host, path_readings
from gateway_allow_deny.entries import Entries
from gateway_allow_deny.lists import HostList, Target

_LABELS = st.from_regex(r"[a-z](?:[a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True).filter(
    lambda label: not label.startswith("xn--") and label != "0x"
)
_HOSTS = st.lists(_LABELS, min_size=1, max_size=4).map(".".join)
_SEGMENTS = st.from_regex(r"[a-z0-9_~-]{1,8}", fullmatch=True)
_PATHS = st.lists(_SEGMENTS, min_size=1, max_size=4)
_ADDRESSES = st.integers(0, 2**32 - 1)
_SETTINGS = settings(derandomize=True, deadline=None)


def listed(use: Any, *texts: str) -> HostList:
    """Make a list."""
    entries = Entries()
    for text in texts:
        entries.add(text)
    return HostList(entries, use)


def dotted(number: int) -> str:
    """Write an IPv4 address as it is usual."""
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


@st.composite
def spelt_host(draw: Any, host: str) -> str:
    """Write a name in another way."""
    made = ""
    for character in host:
        way = draw(st.sampled_from(("", "", "upper", "percent", "wide")))
        if way == "upper":
            character = character.upper()
        elif way == "percent":
            character = f"%{ord(character):02X}"
        elif way == "wide" and character.isalnum():
            character = chr(ord(character) + 0xFEE0)
        elif way == "wide" and character == ".":
            character = draw(st.sampled_from(("\u3002", "\uff0e", "\uff61")))
        made += character
    return made + str(draw(st.sampled_from(("", "."))))


@st.composite
def spelt_address(draw: Any, number: int) -> str:
    """Write an IPv4 address in another way."""
    count = draw(st.integers(1, 4))
    parts = [number >> 8 * (3 - index) & 255 for index in range(count - 1)]
    parts.append(number & (1 << 8 * (5 - count)) - 1)
    forms = draw(
        st.lists(
            st.sampled_from(("%d", "0x%x", "0X%X", "0%o", "0x0%x")), min_size=count, max_size=count
        )
    )
    text = ".".join(form % part for form, part in zip(forms, parts, strict=True))
    mapped = f"[::ffff:{number >> 16:x}:{number & 0xFFFF:X}]"
    return str(draw(st.sampled_from((text, text, text + ".", mapped, f"::FFFF:{dotted(number)}"))))


@st.composite
def spelt_path(draw: Any, segments: list[str]) -> str:
    """Write a path in another way that some origin takes for the same."""
    made = ""
    for segment in segments:
        made += draw(
            st.sampled_from(
                ("/", "/", "//", "/./", "/%2e/", "/x/../", "/x/%2E%2e/", "\\", "%2f", "%5C")
            )
        )
        if not made.startswith("/"):
            made = "/" + made
        for character in segment:
            way = draw(st.sampled_from(("", "", "", "upper", "percent", "twice")))
            if way == "upper":
                character = character.upper()
            elif way == "percent":
                character = f"%{ord(character):02x}"
            elif way == "twice":
                character = f"%25{ord(character):02X}"
            made += character
        made += draw(st.sampled_from(("", "", ";v=1")))
    return made + str(draw(st.sampled_from(("", "/", "/more"))))


class SpellingTests(SynchronousTestCase):
    """Spelling never changes the verdict."""

    @_SETTINGS
    @given(st.data(), _HOSTS, _HOSTS)
    def test_names(self, data: Any, host: str, other: str) -> None:
        """A name is on a list in all its spellings or in none, whoever it is compared with."""
        spelling = data.draw(spelt_host(host))
        self.assertEqual(canonical_host(spelling), canonical_host(host), spelling)
        for entry in (host, f"*.{host}", f"={host}", other, f"*.{other}", f".{other}"):
            for use in ("allow", "deny"):
                known = listed(use, entry)
                found = [
                    known.find(
                        Target(canonical_host(one) or "", False, "http", 80, b"/"), "differs"
                    )
                    for one in (host, spelling)
                ]
                self.assertEqual(found[0], found[1], (entry, spelling))

    @_SETTINGS
    @given(_HOSTS, _HOSTS)
    def test_label_boundaries(self, host: str, other: str) -> None:
        """A name is covered by an entry exactly if its last labels are the entry's."""
        known = listed("deny", other)
        found = known.find(Target(host, False, "http", 80, b"/"), "differs")
        labels, wanted = host.split("."), other.split(".")
        self.assertEqual(found is not None, labels[-len(wanted) :] == wanted)

    @_SETTINGS
    @given(st.data(), _HOSTS, _LABELS)
    def test_entries(self, data: Any, host: str, label: str) -> None:
        """However the entry is written, it means the same."""
        known = listed("deny", data.draw(spelt_host(host)))
        self.assertIsNotNone(known.find(Target(f"{label}.{host}", False, "", 443, None), "differs"))
        self.assertIsNone(known.find(Target(f"{label}{host}", False, "", 443, None), "differs"))

    @_SETTINGS
    @given(st.data(), _ADDRESSES, st.integers(0, 32), _ADDRESSES)
    def test_addresses(self, data: Any, number: int, prefix: int, other: int) -> None:
        """An address is in a network in all its spellings or in none."""
        spelling = canonical_host(data.draw(spelt_address(number)))
        self.assertEqual(spelling, dotted(number))
        shift = 32 - prefix
        known = listed("deny", f"{dotted(other >> shift << shift)}/{prefix}")
        found = known.find(Target(spelling or "", True, "http", 80, b"/"), "differs")
        self.assertEqual(found is not None, number >> shift == other >> shift)

    @_SETTINGS
    @given(st.data(), _PATHS)
    def test_denied_paths(self, data: Any, segments: list[str]) -> None:
        """A denied path is denied in every spelling that some origin takes for it."""
        known = listed("deny", f"a.example/{'/'.join(segments)}")
        spelling = data.draw(spelt_path(segments))
        target = Target("a.example", False, "http", 80, spelling.encode())
        self.assertIsNotNone(known.find(target, "differs"), spelling)

    @_SETTINGS
    @given(st.data(), _PATHS, _PATHS)
    def test_allowed_paths(self, data: Any, segments: list[str], others: list[str]) -> None:
        """A path that is not allowed is not in any spelling of it."""
        known = listed("allow", f"a.example/{'/'.join(segments)}")
        if others[: len(segments)] == segments:
            return
        spelling = data.draw(spelt_path(others))
        target = Target("a.example", False, "http", 80, spelling.encode())
        if known.find(target, "differs") is not None:
            # Only where every reading of it is below what is allowed.
            for reading in path_readings(spelling.encode()) or ():
                self.assertEqual(
                    reading.split(b"/")[1 : len(segments) + 1], [one.encode() for one in segments]
                )

    @_SETTINGS
    @given(st.text(max_size=40))
    def test_any_text(self, text: str) -> None:
        """Any text at all has a canonical form that is its own, or none; nothing is raised."""
        host = canonical_host(text)
        if host is not None:
            self.assertEqual(canonical_host(host), host)
            self.assertRegex(host, r"\A[a-z0-9_.:-]+\Z")

    @_SETTINGS
    @given(st.binary(max_size=60))
    def test_any_path(self, raw: bytes) -> None:
        """Any bytes have readings without empty or dot segments at the end of resolving; nothing is raised."""
        for reading in (path_readings(raw) or ())[:3]:
            self.assertFalse(reading.endswith(b"/"))
            self.assertNotIn(b"//", reading)
