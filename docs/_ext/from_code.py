"""Generate parts of the reference from the code, as reStructuredText.

The directive ``from-code`` inserts them when the documentation is built. Nothing is written to a
file, so the reference cannot be out of date.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import click

from aiconfig_plugin import Settings, errors
from aiconfig_plugin.cli.commands import command
from aiconfig_plugin.http import PROBLEMS, WELL_KNOWN, build_openapi, web_routes
from aiconfig_plugin.settings import variable


def settings() -> str:
    """Every setting: its variable, its argument, its default, its rule and its meaning."""
    return "\n".join(map(_setting, dataclasses.fields(Settings)))


def _setting(field: dataclasses.Field[Any]) -> str:
    rule = field.metadata["check"].rule.replace("*", r"\*")
    return f".. envvar:: {variable(field.name)}\n\n" + _indented(
        f"{_meaning(field)}\n\nIn Python ``{field.name}``. Default: {_default(field)}."
        + (f" It {rule}." if rule else "")
    )


def settings_contents() -> str:
    """A table of the settings, each with its default and a link to its entry."""
    rows = (
        f"   * - :envvar:`{variable(field.name)}`\n     - {_default(field)}\n"
        f"     - {re.split('[.;:] ', _meaning(field) + ' ')[0]}.\n"
        for field in dataclasses.fields(Settings)
    )
    return (
        ".. list-table::\n   :header-rows: 1\n   :widths: 40 20 40\n\n"
        "   * - variable\n     - default\n     - meaning\n" + "".join(rows)
    )


def _meaning(field: dataclasses.Field[Any]) -> str:
    return str(field.metadata["doc"]).replace("`", "``")


def _default(field: dataclasses.Field[Any]) -> str:
    return shown(field.default).replace("`", "``") or "none"


def shown(default: Any) -> str:
    """A default as Markdown; nothing for none."""
    if default is None or default == ():
        return ""
    text = str(default).lower() if isinstance(default, bool) else f"{default}".removesuffix(".0")
    return f"`{text}`"


def settings_table() -> list[str]:
    """The rows of README's table."""
    return [
        f"| `{variable(field.name)}` | {shown(field.default)} | {field.metadata['doc']} |"
        for field in dataclasses.fields(Settings)
    ]


def routes() -> str:
    """The routes of the OpenAPI document, and those outside it."""
    document = build_openapi(Settings())
    parts = [
        _operation(method.upper(), path, operation, heads="head" in methods and method == "get")
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method != "head"
    ]
    return "\n".join([*parts, _other_routes()])


def _operation(method: str, path: str, operation: dict[str, Any], *, heads: bool) -> str:
    title = f"{method} {path}"
    lines = [title, "~" * len(title), "", f"{operation['summary']}."]
    if "description" in operation:
        lines.append(operation["description"])
    scopes = [scope for way in operation["security"] for scope in way.get("bearer", [])]
    lines += ["", f":Scope: {', '.join(f'``{s}``' for s in scopes) or 'none (public)'}"]
    if heads:
        lines.append(":Methods: ``GET``; ``HEAD`` returns the headers only")
    if "requestBody" in operation:
        lines.append(f":Body: ``application/json``: {_component(operation['requestBody'])}")
    lines += [_parameter(parameter) for parameter in operation.get("parameters", [])]
    lines += ["", ".. list-table::", "   :header-rows: 1", "   :widths: 10 90", ""]
    lines += ["   * - status", "     - response"]
    for status, answer in operation["responses"].items():
        lines += [f"   * - {status}", f"     - {_answer(int(status), answer)}"]
    return "\n".join([*lines, ""])


def _parameter(parameter: dict[str, Any]) -> str:
    allowed = [f"``{name}``" for name in parameter["schema"].get("items", {}).get("enum", [])]
    listed = f" Any of {', '.join(allowed)}." if allowed else ""
    return (
        f":{parameter['in'].title()}: ``{parameter['name']}``: {parameter['description']}{listed}"
    )


def _answer(status: int, answer: dict[str, Any]) -> str:
    if status in PROBLEMS:
        return ", ".join(f":ref:`{code} <problem-{code}>`" for code in PROBLEMS[status])
    headers = ", ".join(f"``{name}``" for name in answer.get("headers", {}))
    component = f" {_component(answer)}." if "content" in answer else ""
    return f"{answer['description']}{component}{f' Headers: {headers}.' if headers else ''}"


def _component(holder: dict[str, Any]) -> str:
    [media_type] = holder["content"].values()
    name = media_type["schema"]["$ref"].rpartition("/")[2]
    return f":ref:`{name} <schema-{name}>`"


def _other_routes() -> str:
    stable = [route.path for route in web_routes() if route.path.count("/") == 2]
    files = "\n".join(f"* ``GET {Settings().prefix}{path}``" for path in stable)
    return (
        "Other routes\n~~~~~~~~~~~~\n\n"
        "The browser files are public:\n\n"
        f"{files}\n\n"
        f"With :envvar:`AICONFIG_RESOURCE`, ``GET {WELL_KNOWN}`` followed by the path of that URL\n"
        "returns the protected resource metadata (RFC 9728). With\n"
        ":envvar:`AICONFIG_CORS_ORIGINS`, every route answers CORS preflights (``OPTIONS``).\n"
    )


def schemas() -> str:
    """Every schema of the OpenAPI document."""
    components = build_openapi(Settings())["components"]["schemas"]
    return "\n".join(
        f".. _schema-{name}:\n\n{name}\n{'~' * len(name)}\n\n.. code-block:: json\n\n"
        + _indented(json.dumps(schema, indent=2))
        for name, schema in components.items()
    )


def problems() -> str:
    """Every error code that an HTTP client may receive, by status."""
    return "".join(_problem(code, status) for status, codes in PROBLEMS.items() for code in codes)


def python_errors() -> str:
    """The error codes that HTTP clients never receive."""
    over_http = {code for codes in PROBLEMS.values() for code in codes}
    return "".join(
        _problem(error.code, None)
        for error in error_classes()
        if getattr(error, "code", None) not in {*over_http, None}
    )


def error_classes(base: type[errors.AIConfigError] = errors.AIConfigError) -> list[Any]:
    """The errors, each after its base."""
    return [base, *(each for sub in base.__subclasses__() for each in error_classes(sub))]


def _problem(code: str, status: int | None) -> str:
    [error] = (each for each in error_classes() if "code" in vars(each) and each.code == code)
    meaning = inspect.cleandoc(error.__doc__ or "")
    number = "" if status is None else f"{status} "
    return (
        f".. _problem-{code}:\n\n{number}{code}\n{'~' * (len(number + code))}\n\n"
        f"*{error.title}.* {meaning}\n\n"
        + (f"``urn:aiconfig:problem:{code}``, " if status else "")
        + f":class:`aiconfig_plugin.errors.{error.__name__}`\n\n"
    )


def commands() -> str:
    """The help text of every command."""
    return "\n".join(
        f"{context.command_path}\n{'~' * len(context.command_path)}\n\n.. code-block:: text\n\n"
        + _indented(context.get_help())
        for context in command_contexts(
            click.Context(command, info_name="aiconfig", max_content_width=88, terminal_width=88)
        )
    )


def command_contexts(context: click.Context) -> Iterator[click.Context]:
    """The context of each command that can be run."""
    if not isinstance(context.command, click.Group):
        yield context
        return
    for name, sub in context.command.commands.items():
        yield from command_contexts(click.Context(sub, context, name))


def _indented(text: str) -> str:
    return textwrap.indent(text.strip("\n") + "\n", "   ")


PARTS = {
    "settings": settings,
    "settings-contents": settings_contents,
    "routes": routes,
    "schemas": schemas,
    "problems": problems,
    "python-errors": python_errors,
    "commands": commands,
}
