"""Tests of health, readiness and metrics."""
