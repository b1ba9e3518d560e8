"""What the provider gives out: codes, access tokens, ID tokens, and the keys that sign."""
