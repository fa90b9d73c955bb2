"""Tests of the upload limit."""
