"""
What the gateway watches of itself and its machine, composed: readings come from C{record}, what becomes of them from
C{alarms}.
"""
