"""The login protocol without HTTP: the challenge, the signed answer, and every check of it."""

from . import signed_data, trust

__all__ = ["signed_data", "trust"]
