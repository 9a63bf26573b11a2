"""The three-stage annotation: anchors, ranks, calibration."""
