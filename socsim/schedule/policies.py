"""Online policies of a server: who goes next, and who may take its place."""
