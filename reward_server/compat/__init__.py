"""Private parts of Ray, vLLM and uvicorn that have no public name, one module a library, each with its reason."""
