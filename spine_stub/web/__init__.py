"""HTTP: the server, the endpoints, and the shape of each reply."""
