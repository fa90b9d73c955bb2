"""Tests of C{gateway.alarms}."""
