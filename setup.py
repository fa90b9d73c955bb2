"""
Metadata and installation.

Two things are more than a list. Each folder C{plugins/gateway_x} is found here and becomes a top-level package with the entry
point C{x = gateway_x:plugin}, the same lines that a third party writes for its own plugin. And an editable install puts the
repository's root and C{plugins/} on the path with a C{.pth} file, for Twisted finds C{twisted/plugins/gateway_plugin.py} by
looking through C{sys.path}, which the import hooks of a standard editable install hide.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command import editable_wheel

ROOT = Path(__file__).parent

BUNDLED = sorted(folder.parent.name for folder in ROOT.glob("plugins/gateway_*/__init__.py"))

DEPENDENCIES = [
    # These two go together: pyOpenSSL made a Context immutable after its first Connection.
    "twisted[tls]>=26.10",
    "pyopenssl>=26.2",
    "cryptography>=46",
    "service-identity>=24.1",
    "zope.interface>=7",
    "pluggy>=1.5",
    "ldap3>=2.9.1",
    # pyasn1 0.8 drops names that ldap3 2.9 imports.
    "pyasn1<0.8",
    "msgspec>=0.20",
    "prometheus-client>=0.22",
    # The canonical form of hosts for the plugin allow_deny: the URL parser of browsers.
    "can-ada>=3.0",
    # Local users of the plugin auth.
    "argon2-cffi>=23.1",
    "bcrypt>=4.1",
    # The plugin cache: structured fields, and its index.
    "http-sf>=1.5",
    "lmdb>=1.6",
]

#: What the plugin archive unpacks with, beside the Debian package libarchive13.
ARCHIVE = ["backports.zstd>=1.0", "brotli>=1.1", "libarchive-c>=5.1"]
#: The engine of the plugin yara.
YARA = ["yara-x>=1.0"]

#: What the plugin snmp sends with.
SNMP = ["pysnmp>=7.1"]
#: What the plugin mail writes with: templates, and the picture in a digest.
MAIL = ["jinja2>=3.1", "pillow>=11"]

EXTRAS = {
    "test": [
        *ARCHIVE,
        *MAIL,
        *SNMP,
        *YARA,
        # The server that the plugin mail is tried with.
        "aiosmtpd>=1.4.6",
        "coverage>=7.10",
        "h11>=0.16",
        # The plugin cache is compared with it where both claim the same rule.
        "hishel>=1.0",
        "httptools>=0.7",
        "hypothesis>=6.150",
        "import-linter>=2.9",
        "mypy>=2.4,<2.5",
        "mypy-zope>=1.0.17,<1.1",
        # Parsers of forms that the plugin archive is compared with.
        "python-multipart>=0.0.20",
        "ruff>=0.17,<0.18",
        # The build system's, for tests that build wheels without fetching it.
        "setuptools>=80,<100",
        "towncrier>=25.8",
        "werkzeug>=3.1",
    ],
    # The scheme Negotiate of the plugin auth. A source distribution: it is built against libkrb5-dev, by gcc.
    "kerberos": ["gssapi>=1.9"],
    "archive": ARCHIVE,
    "mail": MAIL,
    "snmp": SNMP,
    "scan": [*ARCHIVE, *YARA],
    "fuzz": ["atheris>=3.0"],
    "docs": ["pydoctor>=25.10"],
}


class EditableWheel(editable_wheel.editable_wheel):  # type: ignore[misc]
    """An editable install by path: what is in the tree is what runs, Twisted's plugin folder included."""

    def _select_strategy(
        self, name: str, tag: str, build_lib: object
    ) -> editable_wheel.EditableStrategy:
        paths = [ROOT, ROOT / "plugins"]
        return editable_wheel._StaticPth(self.distribution, name, paths)


def version() -> str:
    """Read the version without importing the package, whose dependencies may not be there yet."""
    found = re.search(r'^__version__ = "(.+)"$', (ROOT / "gateway/__init__.py").read_text(), re.M)
    if found is None:
        raise SystemExit("gateway/__init__.py names no __version__")
    return found[1]


setup(
    name="gateway",
    version=version(),
    description="A secure web gateway on Twisted: forward and reverse proxy with plugins",
    long_description=(ROOT / "README.md").read_text() if (ROOT / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Framework :: Twisted",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: Internet :: Proxy Servers",
        "Typing :: Typed",
    ],
    # "twisted.plugins" is one file laid into Twisted's own plugin folder, not a package of ours.
    packages=[
        *find_packages(include=["gateway", "gateway.*"]),
        *find_packages("plugins", exclude=["*.tests", "*.tests.*"]),
        "twisted.plugins",
    ],
    package_dir={name: f"plugins/{name}" for name in BUNDLED},
    package_data={
        "": ["py.typed", "README.md", "*.css", "*.html", "*.js", "*.json", "*.sql", "*.toml"],
        "gateway.cli": ["template/*.tmpl"],
        "gateway_snmp": ["GATEWAY-MIB.txt"],
        "gateway_mail": ["templates/*.html", "templates/*.txt", "templates/events/*.txt"],
    },
    install_requires=DEPENDENCIES,
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": ["gateway = gateway.cli.main:main"],
        "gateway.plugins": [f"{name.removeprefix('gateway_')} = {name}:plugin" for name in BUNDLED],
    },
    cmdclass={"editable_wheel": EditableWheel},
    # Twisted lists and reads its plugin folder as files.
    zip_safe=False,
)
