"""COMPASS-20K: inputs, enhancers, the curated tables."""
