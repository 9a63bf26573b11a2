"""How a run and COMPASS start: job, cluster, driver, serving, checks."""
