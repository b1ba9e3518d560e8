"""The PIV Card Application (SP 800-73-4): commands, what each does, and what it answers."""
