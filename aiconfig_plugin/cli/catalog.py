"""The part of the command line that is about the operator's catalogue."""

from __future__ import annotations

import json
from pathlib import Path

import click

from aiconfig_plugin.catalog import import_bundled, import_file, load_catalog
from aiconfig_plugin.domain import Catalog


@click.group("catalog", no_args_is_help=False)
def catalog_command() -> None:
    """Check a catalogue, or make one to edit."""


@catalog_command.command("validate")
@click.argument("file", type=click.Path(path_type=Path))
def _validate(file: Path) -> None:
    """Check the catalogue FILE."""
    click.echo(f"OK: {summary(load_catalog(file))}")


@catalog_command.command("import")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--provider", "only", multiple=True, metavar="NAME", help="Take this provider only.")
def _import(file: Path | None, only: tuple[str, ...]) -> None:
    """Print a catalogue of the models in FILE, or of the list in genai-prices.

    FILE has the form of models.dev's api.json.
    """
    made = import_file(file, only) if file else import_bundled(only)
    click.echo(json.dumps(made, indent=1))


def summary(catalog: Catalog) -> str:
    """Return how much a catalogue offers."""
    models = sum(len(provider.models) for provider in catalog.providers.values())
    others = "other providers too" if catalog.other_providers else "no other providers"
    return f"{len(catalog.providers)} providers, {models} models, {others}"
