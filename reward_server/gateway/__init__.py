"""COMPASS for callers outside the cluster: gRPC and HTTP in front of the deployment handle."""
