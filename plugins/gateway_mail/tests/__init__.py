"""Tests of the plugin mail."""
