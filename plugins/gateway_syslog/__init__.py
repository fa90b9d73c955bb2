"""
Send alarms to syslog servers: RFC 5424, CEF or JSON, by UDP, TCP or TLS.

How an alarm is written is in C{rfc5424}, C{cef} and C{records}, which know no receiver; texts of strangers are tamed in C{texts}. How
messages get there, and what can be known of their arrival, is in C{streams} and C{datagrams}, which know no alarm.
"""

from gateway_syslog.plugin import Syslog
from gateway_syslog.settings import SyslogSettings

__all__ = ["Syslog", "SyslogSettings", "plugin"]

plugin = Syslog
