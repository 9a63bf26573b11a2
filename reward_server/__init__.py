"""COMPASS as a service: a vLLM engine inside a Ray Serve application of its own, and its client."""
