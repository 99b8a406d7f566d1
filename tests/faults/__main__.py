"""Run the tests of this folder, unless others were asked for: alone, as they are about time."""

import sys

import pytest

if len(sys.argv) == 1:
    sys.exit(pytest.main(["tests/faults"]))
