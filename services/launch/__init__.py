"""Starts a run and COMPASS: job, cluster, driver, serving, checks."""
