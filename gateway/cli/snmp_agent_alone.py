"""C{gateway snmp-agent}: C{gateway snmp agent} under the name that snmpd's configurations know it by."""

from __future__ import annotations

from gateway.cli.snmp_agent import DESCRIPTION, EXIT_CODES, SUMMARY, add_arguments, run

__all__ = ["DESCRIPTION", "EXAMPLES", "EXIT_CODES", "NAME", "SUMMARY", "add_arguments", "run"]

NAME = "snmp-agent"
EXAMPLES = """
  gateway snmp-agent --metrics 127.0.0.1:8081
      the same as gateway snmp agent
"""
