"""
Side-by-side benchmarks of this gateway and well-known proxies, and the long checks of its memory and log.

Run C{python -m benchmarks --help}. Nothing here is imported by the gateway, and nothing here imports it: the gateway is
one more program to start, beside its peers.
"""
