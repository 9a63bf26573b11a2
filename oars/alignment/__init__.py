"""Flow matching, DiffusionNFT and what they need: optimality, group filter, old-policy schedules, seeds."""
