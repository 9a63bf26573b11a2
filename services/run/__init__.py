"""One run's records: directory, ledger, telemetry, clocks, errors."""
