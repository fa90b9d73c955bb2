"""What a newcomer sees: the first lines, a first request, and one clear line for each thing that is wrong."""

from __future__ import annotations

import socket
from string import Template

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Origin, connected
from tests.live.processes import FORWARD, Gateway, free_port, short_folder


class FirstLinesTests(SynchronousTestCase):
    """A start that succeeds."""

    def test_what_listens_where(self) -> None:
        """The first lines name each listener with a command to try it, and the log."""
        gateway = Gateway(
            self,
            FORWARD
            + '[[site]]\nhost = ["www.example.com"]\norigins = ["http://127.0.0.1:9"]\n'
            + 'listen = ["127.0.0.1:$reverse", "unix:$socket"]\n',
            socket=short_folder(self) / "s",
        )
        for line in (
            f"forward proxy on 127.0.0.1:{gateway.forward}     try: curl -x http://127.0.0.1:{gateway.forward} http://example.com/",
            f"reverse proxy on 127.0.0.1:{gateway.reverse}     try: curl -H Host:www.example.com http://127.0.0.1:{gateway.reverse}/",
            "try: curl --unix-socket /",
            f"health and metrics on 127.0.0.1:{gateway.health}     try: curl http://127.0.0.1:{gateway.health}/readyz",
            f"access log: {gateway.log}",
        ):
            self.assertIn(line, gateway.text)

    def test_command_line(self) -> None:
        """C{--origin} alone makes a reverse proxy, and C{--port} says where."""
        origin = Origin(self)
        port = free_port()
        arguments = ["--origin", f"http://127.0.0.1:{origin.port}", "--port", str(port)]
        gateway = Gateway(self, "", arguments=arguments)
        client = connected(self, port)
        client.send(b"GET /hello HTTP/1.1\r\nHost: anything.example.com\r\n\r\n")
        self.assertEqual(client.answer().content, b"origin")
        self.assertEqual(gateway.lines(1)[0]["status"], 200)


class FaultTests(SynchronousTestCase):
    """Starts that fail: status 1, and the fault in one line instead of a traceback."""

    def fails(self, config: str, **values: int) -> str:
        """Start with a faulty configuration; give the one line about it."""
        gateway = Gateway(self, Template(config).safe_substitute(values), ready=False)
        self.assertEqual(gateway.ended(), 1, gateway.text)
        self.assertNotIn("Traceback", gateway.text)
        # Twisted's own first lines are no faults.
        told = [
            line
            for line in gateway.text.splitlines()
            if "#info]" not in line and " starting on " not in line
        ]
        self.assertEqual(len(told), 1, told)
        return told[0]

    def test_port_taken(self) -> None:
        """The line says which listener, where, and why."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            line = self.fails('forward.listen = ["127.0.0.1:$port"]', port=port)
        self.assertIn(f"forward: can't listen on 127.0.0.1:{port}: ", line)
        self.assertIn("Address already in use", line)

    def test_health_port_taken(self) -> None:
        """The health listener is named by its setting."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            line = self.fails('[admin]\nhealth = "127.0.0.1:$port"', port=port)
        self.assertIn("admin.health: can't listen", line)

    def test_no_socket_from_systemd(self) -> None:
        """A listener that systemd should have opened, and has not, is a fault that says so."""
        line = self.fails('forward.listen = ["systemd:0"]')
        self.assertIn("forward: can't listen on systemd:0: systemd passed 0 sockets", line)

    def test_unknown_plugin(self) -> None:
        """A plugin that is not there is found in the file, with what there is."""
        line = self.fails('\n\nplugins.enabled = ["upload_limits"]')
        self.assertIn(
            'gateway.toml:3: plugins.enabled[0]: no plugin "upload_limits" is installed', line
        )
        self.assertIn('did you mean "upload_limit"?', line)

    def test_plugin_setting(self) -> None:
        """A fault in a plugin's own settings ends in a line too."""
        line = self.fails('[plugins.upload_limit]\nlimit = "much"')
        self.assertIn("gateway.toml:2: plugins.upload_limit.limit: ", line)

    def test_setting(self) -> None:
        """A fault of the file is told with file, line and the nearest name."""
        line = self.fails("[limits]\nuplaod = 5")
        self.assertIn("gateway.toml:2: limits.uplaod: ", line)
        self.assertIn("upload", line.partition("uplaod")[2])

    def test_unknown_user(self) -> None:
        """A user that the system does not know is named."""
        line = self.fails(FORWARD + '[gateway]\nuser = "no-such-user"')
        self.assertIn("gateway.user: this system has no user no-such-user", line)
