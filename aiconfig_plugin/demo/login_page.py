"""What a browser gets from the demo's authorization server: two small pages and their style."""

from __future__ import annotations

from tornado.template import DictLoader

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<link rel="stylesheet" href="/login.css">
</head>
<body>
<main>
"""

_LOGIN = (
    _HEAD
    + """<h1>{{ title }}</h1>
<p><strong>{{ client_id }}</strong> asks for leave to
{% if reads and writes %}read and change{% elif writes %}change{% else %}read{% end %}
your AI model settings.</p>
{% if message %}<p class="message" id="message" role="alert">{{ message }}</p>{% end %}
<form method="post" action="{{ action }}">
{% raw xsrf_form_html() %}
<label for="username">User name</label>
<input id="username" name="username" value="{{ username }}" autocomplete="username"
 autocapitalize="none" spellcheck="false" required autofocus
 {% if message %}aria-invalid="true" aria-describedby="message"{% end %}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
 {% if message %}aria-invalid="true" aria-describedby="message"{% end %}>
<div class="buttons">
<button type="submit">Log in and allow</button>
<button type="submit" name="decision" value="deny" formnovalidate class="quiet">Cancel</button>
</div>
</form>
<aside aria-label="Demo users">
<p>This is a demo; anyone on this machine may be:</p>
<table>
<thead><tr><th scope="col">User name</th><th scope="col">Password</th></tr></thead>
<tbody>
{% for name, password in users %}<tr><td><code>{{ name }}</code></td>\
<td><code>{{ password }}</code></td></tr>
{% end %}</tbody>
</table>
</aside>
</main>
</body>
</html>
"""
)

_ERROR = (
    _HEAD
    + """<h1>{{ title }}</h1>
<p class="message" role="alert">{{ message }}</p>
<p>Go back to the application and start again.</p>
</main>
</body>
</html>
"""
)

STYLE = """:root { color-scheme: light dark; --ink: #1c2330; --paper: #fff; --back: #eef1f6;
  --line: #6b7688; --accent: #1d4ed8; --on-accent: #fff; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf4; --paper: #1b2130; --back: #10141d;
  --line: #8b96a9; --accent: #9db8ff; --on-accent: #10141d; --bad: #ff9c92; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); }
main { width: 100%; max-width: 26rem; padding: 2rem; border-radius: .75rem;
  background: var(--paper); box-shadow: 0 .5rem 2rem rgb(0 0 0 / 15%); }
h1 { margin: 0 0 .5rem; font-size: 1.5rem; }
label { display: block; margin: 1rem 0 .25rem; font-weight: 600; }
input { width: 100%; padding: .6rem .75rem; font: inherit; color: inherit;
  background: transparent; border: 1px solid var(--line); border-radius: .4rem; }
.buttons { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1.5rem; }
button { flex: 1 1 auto; padding: .65rem 1rem; font: inherit; font-weight: 600; cursor: pointer;
  color: var(--on-accent); background: var(--accent); border: 1px solid var(--accent);
  border-radius: .4rem; }
button.quiet { color: var(--ink); background: transparent; border-color: var(--line); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.message { padding-left: .75rem; border-left: 4px solid var(--bad); color: var(--bad);
  overflow-wrap: anywhere; }
aside { margin-top: 1.5rem; border-top: 1px solid var(--line); font-size: .9rem; }
table { border-collapse: collapse; }
th, td { padding: .1rem 1.5rem .1rem 0; text-align: left; }
"""

TEMPLATES = DictLoader({"login.html": _LOGIN, "error.html": _ERROR})
