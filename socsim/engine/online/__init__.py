"""Many applications on one SoC, from their arrivals on: servers, queues, preemption, sharing, operating points.

`engine.run(world, power=None, *, skips=True) -> WorldOutcome` runs a `model.World`; the other modules are its parts:
arrivals, admission and places (`activations`), activations that go together through their steps (`batches`), queues
and cores (`servers`), a segment at work (`turns`) on a course of prefix sums (`courses`), alone or sharing links and
memories (`sharing`), and stretches that repeat themselves (`steady`).
"""
