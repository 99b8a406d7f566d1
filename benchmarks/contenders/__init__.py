"""The servers that are measured. Each runs in a process of its own and knows its own libraries."""
