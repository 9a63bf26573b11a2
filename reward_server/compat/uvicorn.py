"""The private part of uvicorn: `tests/unit/compat` fails with "uvicorn changed X" when it goes."""

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["H11Protocol"]
"""uvicorn has no deadline for request headers; a subclass of its protocol adds one."""
