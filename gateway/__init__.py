"""
A secure web gateway on Twisted: forward and reverse proxy with plugins.

This package holds the core; C{docs/architecture.md} shows its parts and the path of a request. Plugins
import L{gateway.api} and nothing else from here.
"""

__version__ = "0.1.0"
