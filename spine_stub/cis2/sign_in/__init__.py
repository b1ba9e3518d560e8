"""What people see of the provider: the page to sign in, the role screen, and the page that says what is wrong."""
