"""The systolic engine equals SCALE-Sim 3.0.0 cell by cell, and DRAM traffic lies between its two bounds."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from small_world import small_soc

from socsim.cost.arrays.engine import ArrayContext, Operation, map_operation
from socsim.cost.arrays.systolic import PHYSICAL, SCALE_SIM, SystolicEngine
from socsim.cost.work import Kernel, Operand
from socsim.quantities import ceil_div
from socsim.workload.loops import LoopNest
from socsim.workload.operators import Category

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NETWORKS = ("alexnet", "Resnet18", "Resnet50", "mobilenet")
DATAFLOWS = {"os": "output_stationary", "ws": "weight_stationary", "is": "input_stationary"}
SIZE = 32
OPERAND_BUFFER = 64  # kB for each of three operands


@dataclass(frozen=True)
class Layer:
    """A row of a table: the layer and what SCALE-Sim reports for it."""

    name: str
    nest: LoopNest
    size: tuple[int, int]
    cycles: int
    input_reads: int
    filter_reads: int
    output_writes: int


def layers(folder: Path, network: str, dataflow: str) -> Iterator[Layer]:
    with (folder / f"v3_{network}_{SIZE}x{SIZE}_{dataflow}_CALC.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            height, width, r, s, channels, filters, stride = (
                int(row[name])
                for name in ("ifmap_h", "ifmap_w", "filt_h", "filt_w", "channels", "num_filter", "stride")
            )
            p, q = ceil_div(height - r + stride, stride), ceil_div(width - s + stride, stride)
            yield Layer(
                row["layer"],
                LoopNest(1, 1, filters, channels, p, q, r, s, stride, stride, is_convolution=True),
                (height, width),
                *(int(float(row[n])) for n in ("total_cycles", "sram_ifmap_reads", "sram_filter_reads")),
                int(float(row["sram_ofmap_writes"])),
            )


@pytest.fixture(scope="module")
def tables(shared):
    return shared / "peers" / "scalesim"


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    return small_soc(tmp_path_factory.mktemp("soc"))


def engine(soc, dataflow, conventions, **changes):
    array = {"kind": "systolic", "rows": SIZE, "columns": SIZE, "dataflow": DATAFLOWS[dataflow], "doubled": False}
    unit = soc.with_({"units.npu.array": array, **changes}).unit("npu")
    return SystolicEngine(ArrayContext(unit, cores=1), conventions)


def operation(layer):
    """Return the layer as a task of one-byte words whose operands lie in DRAM."""
    kernel = Kernel(
        type="CONV_2D",
        category=Category.MAC,
        dtype="int8",
        loops=(layer.nest,),
        vector_elements=0,
        element_bits=8,
        inputs=(Operand(layer.size[0] * layer.size[1] * layer.nest.c, "dram"),),
        weights=(Operand(layer.nest.weights, "dram"),),
        outputs=(Operand(layer.nest.outputs, "dram"),),
    )
    return Operation(layer.nest, kernel, Fraction(1), Fraction(SIZE * SIZE))


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("network", NETWORKS)
def test_cycles_and_sram_accesses_equal_every_cell(tables, soc, network, dataflow):
    array = engine(soc, dataflow, SCALE_SIM)
    rows = list(layers(tables, network, dataflow))
    assert len(rows) >= 5
    for layer in rows:
        ours = array.run(operation(layer))
        found = (ours.cycles, ours.input_reads, ours.weight_reads)
        assert found == (layer.cycles, layer.input_reads, layer.filter_reads), layer.name
        assert ours.output_writes + tail(layer.nest, dataflow) == layer.output_writes, layer.name


def tail(nest, dataflow):
    """Return the writes that SCALE-Sim counts beside the results: in OS, two more full rows for each block."""
    return 2 * SIZE * ceil_div(nest.p * nest.q, SIZE) * ceil_div(nest.k, SIZE) if dataflow == "os" else 0


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("network", NETWORKS)
def test_physical_cycles_differ_by_what_the_conventions_leave_out(tables, soc, network, dataflow):
    array = engine(soc, dataflow, PHYSICAL)
    for layer in layers(tables, network, dataflow):
        nest = layer.nest
        blocks = ceil_div(nest.p * nest.q, SIZE) * ceil_div(nest.k, SIZE)
        drained = SIZE * blocks if dataflow == "os" else 0
        assert array.run(operation(layer)).cycles == layer.cycles + 1 + drained, layer.name


@pytest.mark.parametrize("buffer", [OPERAND_BUFFER // 16, 2 * OPERAND_BUFFER, 16 * OPERAND_BUFFER])
@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("network", NETWORKS)
def test_dram_reads_lie_between_compulsory_and_demand(tables, soc, network, dataflow, buffer):
    array = engine(soc, dataflow, SCALE_SIM, **{"units.npu.buffer": f"{buffer} kB"})
    for layer in layers(tables, network, dataflow):
        task = operation(layer)
        read = array.traffic(task.kernel, map_operation(array, task)).read_bytes
        rows = min(layer.size[0], layer.nest.input_rows, layer.nest.p * layer.nest.r)
        columns = min(layer.size[1], layer.nest.input_columns, layer.nest.q * layer.nest.s)
        touched = layer.nest.c * rows * columns
        assert touched + layer.nest.weights <= read <= layer.input_reads + layer.filter_reads, layer.name
