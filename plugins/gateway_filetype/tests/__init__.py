"""Tests of the plugin filetype."""
