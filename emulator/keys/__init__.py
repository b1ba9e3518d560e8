"""Private keys, key pairs, the management key, certificates: the cryptography of a card (SP 800-78-4)."""
