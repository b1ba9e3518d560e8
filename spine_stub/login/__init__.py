"""The login protocol without HTTP: the challenge, the signed answer, and every check of it."""
