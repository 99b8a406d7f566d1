"""API keys at rest and in transit, and the keyring. Knows JOSE and cryptography."""
