"""Tests of the browser modules that need no browser."""
