"""What the tests share: this machine's programs, the broker and the virtual card."""
