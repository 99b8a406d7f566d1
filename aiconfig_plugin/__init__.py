"""User-owned AI model configuration for a Tornado gateway."""
