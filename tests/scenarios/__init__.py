"""A whole gateway between scripted peers, in memory: one file for each rule."""

from tests import effort

effort.prepare()
