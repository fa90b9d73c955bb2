"""Tests of the gateway: unit tests, scenarios in memory, and live tests against real servers."""
