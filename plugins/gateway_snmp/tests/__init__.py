"""Tests of the plugin C{snmp}."""
