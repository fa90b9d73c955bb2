"""
The public test kit: playbooks for parsers, and a whole gateway in memory between scripted peers.

 - L{gateway.testing.playbook}: these bytes come in, those events come out, cut wherever they may be.
 - L{gateway.testing.harness}: the real services on a reactor in memory; C{client()}, C{origin()}, C{advance()}, C{log}.
 - L{gateway.testing.peers}: what a client or an origin does (send, end, close, reset, stop reading) and what it got; and
   short ways to write messages.
 - L{gateway.testing.messages}: what was received, taken apart by a reader of its own.
 - L{gateway.testing.network} and L{gateway.testing.sockets}: the reactor and the wire below, with receive windows,
   half-close and reset.

There is neither a thread nor a descriptor nor a wait: time goes by when the test says so, and everything happens in a
fixed order, or in one that the test chooses.
"""
