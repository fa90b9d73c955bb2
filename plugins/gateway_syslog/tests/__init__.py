"""Tests of the plugin C{syslog}."""
