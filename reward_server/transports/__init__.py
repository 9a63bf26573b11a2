"""The ways to a COMPASS, all alike to the client: deployment handle, gRPC, HTTP, OpenAI-compatible vLLM server."""
