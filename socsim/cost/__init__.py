"""Cost models: an operator on a unit becomes Work, that is phases of cycles and bytes."""
