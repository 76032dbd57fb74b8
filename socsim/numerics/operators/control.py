"""Control flow: subgraphs run once, on a condition, or while one holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from socsim.errors import NumericsError
from socsim.numerics.node import implements

if TYPE_CHECKING:
    from collections.abc import Callable

    from socsim.numerics.arrays import Array
    from socsim.numerics.node import Node, Run

_TURNS = 1_000_000  # of a loop before it is taken to be endless


def _body(node: Node, attribute: str) -> Callable[..., tuple[Array, ...]]:
    """Return a subgraph as a function of arrays; its variables are the caller's."""
    from socsim.numerics.executor import Executable  # the executor fills its table from this package

    position = node.attributes.get(attribute)
    if position is None or not 0 <= position < len(node.graph.subgraphs):
        raise NumericsError(f"{node.where}: its {attribute} {position} is not one of the graph's subgraphs")
    body = Executable(node.graph.subgraphs[position], node.profile, state=node.state, team=node.team)

    def call(*operands: Array) -> tuple[Array, ...]:
        values = body.run(dict(zip(body.graph.inputs, operands, strict=True)))
        return tuple(values[i] for i in body.graph.outputs)

    return call


@implements("CALL_ONCE")
def prepare_call_once(node: Node) -> Run:
    """A subgraph that runs before the first inference only."""
    body = _body(node, "init_subgraph_index")
    done = f"done {node.op.index} of {node.graph.name}"

    def run(*_: Array) -> tuple[Array, ...]:
        if done not in node.state:
            body()
            node.state[done] = np.array(True)
        return ()

    return run


@implements("IF")
def prepare_if(node: Node) -> Run:
    """One of two subgraphs."""
    then, otherwise = _body(node, "then_subgraph_index"), _body(node, "else_subgraph_index")
    return lambda condition, *operands: (then if condition.item() else otherwise)(*operands)


@implements("WHILE")
def prepare_while(node: Node) -> Run:
    """A subgraph on its own results for as long as another says so."""
    condition, body = _body(node, "cond_subgraph_index"), _body(node, "body_subgraph_index")

    def run(*operands: Array) -> tuple[Array, ...]:
        values = operands
        for _ in range(_TURNS):
            if not condition(*values)[0].item():
                return values
            values = body(*values)
        raise NumericsError(f"{node.where}: the loop has not ended after {_TURNS:,} turns")

    return run
