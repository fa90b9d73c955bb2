"""
Find out who is asking: local users, LDAP and Active Directory, Kerberos and NTLM, by connection, address or cookie.

The parts, each of which knows nothing of the plugin: credentials in requests (C{credentials}, C{basic}, C{digest}), sources of
users (C{verifier}, C{users}, C{directory}), what is remembered (C{remembered}, C{repeats}, C{addresses}, C{cookie_mode}), rules for
networks (C{policy}) and against guessing (C{limiter}). L{gateway_auth.identification} asks them in their order, and
L{gateway_auth.plugin} has the hooks.
"""

from gateway_auth.plugin import Auth
from gateway_auth.settings import AuthSettings

__all__ = ["Auth", "AuthSettings", "plugin"]

plugin = Auth
