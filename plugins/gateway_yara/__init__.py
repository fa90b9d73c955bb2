"""
Scan content by YARA rules from a folder, with YARA-X.

YARA-X keeps Python's interpreter for itself as long as it compiles or scans, so all of that is done in child processes: a rule
that is slow keeps nobody waiting but whoever gets the content.
"""

from gateway_yara.plugin import Yara
from gateway_yara.settings import YaraSettings

__all__ = ["Yara", "YaraSettings", "plugin"]

plugin = Yara
