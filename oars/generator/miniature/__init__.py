"""How the miniature generator is made: the full-size pipeline's own classes, trained from scratch on photo crops."""
