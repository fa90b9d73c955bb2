"""
The console script C{gateway}: one module for each command, put together in L{gateway.cli.main}.
"""
