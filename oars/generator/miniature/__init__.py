"""How the miniature generator is made: the very classes of the full-size pipeline, trained from scratch on photo crops."""
