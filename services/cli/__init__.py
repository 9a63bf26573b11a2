"""The `oars` command line. Heavy imports happen inside commands, so that help and bad input answer at once."""
