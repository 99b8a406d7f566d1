"""The settings page for hosts whose log-in is a cookie."""

from __future__ import annotations

import json

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>AI models</title>
<ai-config-settings></ai-config-settings>
<script type="module">
import {{ AIConfigClient }} from {module};
document.querySelector("ai-config-settings").client = new AIConfigClient({options});
</script>
</html>
"""


def settings_page(prefix: str, *, xsrf_cookie: str | None = None) -> str:
    """Return the page; ``prefix`` leads from it to the routes, and may be relative.

    ``xsrf_cookie`` is the name of the host's cookie against cross-site requests, where it has one.
    """
    options = {"credentials": "cookie", **({"xsrfCookie": xsrf_cookie} if xsrf_cookie else {})}
    # Within a script element "<" could end it, also inside a string.
    module, given = (
        json.dumps(value).replace("<", "\\u003c")
        for value in (f"{prefix}/web/ai-config.js", options)
    )
    return _PAGE.format(module=module, options=given)
