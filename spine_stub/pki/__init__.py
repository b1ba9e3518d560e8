"""The test certificate authority, the cards and certificates it issues, and their revocation."""
