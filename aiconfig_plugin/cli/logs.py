"""Log lines on standard error, for people or for machines."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JSONFormatter(logging.Formatter):
    """One JSON object for each record, on one line, with the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, timezone.utc)
        entry = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def configure_logging(format: str, level: str) -> None:
    """Write records of ``level`` and above, in one format; from info on with the audit trail.

    The libraries stay at info: their debug records hold documents and headers.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JSONFormatter() if format == "json" else logging.Formatter(TEXT))
    of_libraries = "info" if level == "debug" else level
    logging.basicConfig(handlers=[handler], level=of_libraries.upper(), force=True)
    logging.getLogger("aiconfig_plugin").setLevel(level.upper())
