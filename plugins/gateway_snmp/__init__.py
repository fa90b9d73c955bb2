"""
Send alarms as SNMP traps and informs, versions 1, 2c and 3, and let SNMP read how the gateway fares.

What is told of, when, and again is the business of the gateway's core; here an alarm becomes a notification of GATEWAY-MIB
(C{notification}, by the tables of C{tree}; the module itself is written by C{mib}). It is sent by a thread (C{sender},
C{loop}), in which alone the library pysnmp is used (C{engine}). Who the gateway is to receivers of version 3 is in C{identity}.
The agent that snmpd runs (C{agent}, C{reader}) is a process of its own.
"""

from gateway_snmp.plugin import Snmp
from gateway_snmp.settings import SnmpSettings

__all__ = ["Snmp", "SnmpSettings", "plugin"]

plugin = Snmp
