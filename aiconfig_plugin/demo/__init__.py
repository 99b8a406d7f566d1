"""The whole house on one machine: a private MongoDB, an authorization server, the gateway."""
