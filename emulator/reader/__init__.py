"""The way to a reader: the vpcd protocol, one connection, one slot, all slots."""
