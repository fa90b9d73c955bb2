"""Fuzz targets: functions that take any bytes and fail only where the gateway is wrong. README.md says how to run them."""
