"""Results of a run: held-out evaluation, merged weights, summary."""
