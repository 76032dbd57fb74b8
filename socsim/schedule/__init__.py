"""From a graph to tasks on units: precision, placement, fusion."""
