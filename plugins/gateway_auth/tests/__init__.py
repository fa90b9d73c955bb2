"""Tests of the plugin auth."""
