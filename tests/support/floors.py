"""Write the lower bounds of what the plugin requires as exact versions, one in a line."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path


def floor(requirement: str) -> str:
    bound = re.fullmatch(r"([\w-]+).*>=([\d.]+)(?:,.*)?", requirement)
    if bound is None:
        raise ValueError(f"{requirement}: this has no lower bound that could be tested.")
    return f"{bound[1]}=={bound[2]}"


if __name__ == "__main__":
    required = [
        line.partition(";")[0].strip()
        for line in metadata.requires("aiconfig-plugin") or ()
        if "extra ==" not in line
    ]
    Path(sys.argv[1]).write_text("\n".join(map(floor, required)) + "\n", encoding="utf-8")
