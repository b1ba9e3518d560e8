"""Who may sign in: people with their roles, from a file or a directory server."""
