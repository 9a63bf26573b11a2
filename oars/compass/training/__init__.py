"""Training a judge: examples, targets, objective, selection."""
