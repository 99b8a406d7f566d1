"""What the plugin costs: beside a bare handler, beside what one would write instead, as it grows.

Run it as ``tox -e bench`` or ``python -m benchmarks``; ``RESULTS.md`` says how to read the results.
"""
