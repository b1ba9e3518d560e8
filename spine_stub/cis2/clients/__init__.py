"""Applications that may ask who somebody is: clients.toml, their keys, how they say who they are, what is called."""
