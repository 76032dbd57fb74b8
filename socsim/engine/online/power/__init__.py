"""Operating points, sleep, caps on power and heat of a platform whose applications the online engine runs."""
