"""``python -m aiconfig_plugin`` is ``aiconfig``."""

from aiconfig_plugin.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
