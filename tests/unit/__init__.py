"""Tests without sockets; the folders mirror those of the gateway."""

from tests import effort

effort.prepare()
