"""Flow matching, DiffusionNFT and its baseline Flow-GRPO, and what they need: optimality, group filter, seeds."""
