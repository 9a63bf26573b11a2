"""The miniature generator: the full-size pipeline's own classes, trained from scratch on photo crops."""
