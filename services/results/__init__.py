"""What a run leaves: held-out evaluation, merged weights, summary."""
