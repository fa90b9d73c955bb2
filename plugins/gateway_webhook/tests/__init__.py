"""Tests of the plugin C{webhook}."""
