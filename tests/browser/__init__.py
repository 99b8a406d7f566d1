"""Tests in a real browser, against the demo's real servers."""
