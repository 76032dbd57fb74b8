"""Many applications on one SoC, from their arrivals on: servers, queues, preemption, sharing, operating points."""
