"""Pages generated from code: docs/configuration.md from the config tree, docs/metrics.md from the tables of series.

`python -m docs.generate` writes them; a test compares.
"""
