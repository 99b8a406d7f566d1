"""What a configuration is, and the use cases. Knows no library but the standard one."""
