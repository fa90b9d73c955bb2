"""What servers say to a bind."""

from twisted.trial.unittest import SynchronousTestCase

from gateway_auth.bind_results import PASSWORD_POLICY, Answer, Odd, refusal

#: What Active Directory writes.
_TEXT = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {}, v2580"


class RefusalTests(SynchronousTestCase):
    """Reasons for the log."""

    def test_active_directory(self) -> None:
        """The code in its text tells why."""
        for code, reason in (
            ("525", "unknown_user"),
            ("52e", "wrong_password"),
            ("52E", "wrong_password"),
            ("530", "disabled"),
            ("532", "expired"),
            ("533", "disabled"),
            ("701", "expired"),
            ("773", "expired"),
            ("775", "locked"),
            ("999", "wrong_password"),
        ):
            self.assertEqual(refusal(Answer(49, _TEXT.format(code))), reason, code)

    def test_password_policy(self) -> None:
        """The control of slapd's policy tells why, with a warning before the error too."""
        for value, reason in (
            (b"\x30\x03\x81\x01\x00", "expired"),
            (b"\x30\x03\x81\x01\x01", "locked"),
            (b"\x30\x08\xa0\x03\x81\x01\x05\x81\x01\x01", "locked"),
            (b"\x30\x00", "wrong_password"),
            (b"", "wrong_password"),
            (b"\x30\x7f\x81\x01\x01", "wrong_password"),
            (b"\x30\x02\x81\x01", "wrong_password"),
            (b"\x30\x03\x81\x01\x07", "wrong_password"),
        ):
            self.assertEqual(refusal(Answer(49, "", {PASSWORD_POLICY: value})), reason, value)

    def test_password_to_be_changed_first(self) -> None:
        """Who must change the password before anything else is not let in, though the bind succeeds."""
        changed = Answer(0, "", {PASSWORD_POLICY: b"\x30\x03\x81\x01\x02"})
        self.assertEqual(refusal(changed), "expired")
        warned = Answer(0, "", {PASSWORD_POLICY: b"\x30\x05\xa0\x03\x81\x01\x03"})
        self.assertIsNone(refusal(warned))
        self.assertIsNone(refusal(Answer(0)))

    def test_other_codes(self) -> None:
        """Codes about the entry refuse the user."""
        for code, reason in ((19, "locked"), (32, "unknown_user"), (48, "wrong_password")):
            self.assertEqual(refusal(Answer(code)), reason)

    def test_the_servers_own_trouble(self) -> None:
        """Codes about the server say nothing of the user."""
        for code in (1, 2, 8, 10, 13, 14, 51, 52, 80, 9999):
            with self.assertRaises(Odd):
                refusal(Answer(code))
