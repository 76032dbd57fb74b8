"""Records that tests of reports share: a small made-up run, a large one, and one with hostile names."""

from __future__ import annotations

from dataclasses import replace

from socsim.records import (
    EnergyAccount,
    Explanation,
    LinkRecord,
    MemoryRecord,
    OperatorRecord,
    RateRecord,
    RunRecord,
    SliceRecord,
    UnitRecord,
)

DISPATCH, COMPUTE, WAIT = 2_000_500, 5_000_000, 1_000_499
LATENCY = DISPATCH + COMPUTE + WAIT
HOSTILE = "=cmd|'/c calc'!A0<script>alert(1)</script>\x1b[31m\u202e$\\frac{\"&amp;\n"


def operator(
    index: int, *, name: str | None = None, unit: str = "npu", fused_into: int | None = None
) -> OperatorRecord:
    """Return an operator of `LATENCY`; longer ones come first, so that ranks are plain."""
    start = index * LATENCY
    row = OperatorRecord(
        index=index, name=name or f"layer/{index}", type="CONV_2D", unit=unit,
        placement_reason=f"{unit} has a kernel for CONV_2D in int8", start_ps=start, end_ps=start + LATENCY,
        latency_ps=LATENCY, compute_ps=COMPUTE, memory_wait_ps=WAIT, bus_wait_ps=0, dispatch_ps=DISPATCH, sync_ps=0,
        bound="compute", macs=1_000_000, executed_macs=1_000_000, utilisation=0.125, arithmetic_intensity=40.0 + index,
        read_bytes=30_000, write_bytes=20_000, weight_bytes=10_000, dram_bytes=50_000, energy_pj=7_000,
        fused_into=None, overlapped_ps=3_000,
    )  # fmt: skip
    if fused_into is None:
        return row
    nothing = dict.fromkeys(
        (
            "start_ps", "end_ps", "latency_ps", "compute_ps", "memory_wait_ps", "bus_wait_ps", "dispatch_ps", "sync_ps",
            "bound", "executed_macs", "utilisation", "arithmetic_intensity", "read_bytes", "write_bytes",
            "weight_bytes", "dram_bytes", "energy_pj", "overlapped_ps",
        )
    )  # fmt: skip
    return replace(row, fused_into=fused_into, **nothing)


def slices(op: OperatorRecord) -> list[SliceRecord]:
    """Return the slices of an operator: dispatch, then compute beside its transfers."""
    assert op.start_ps is not None
    assert op.end_ps is not None
    lead = op.start_ps + DISPATCH
    label = f"{op.index} {op.type}"
    return [
        SliceRecord(op.unit, "dispatch", label, op.index, op.start_ps, lead, 0, 0),
        SliceRecord(op.unit, "compute", label, op.index, lead, op.end_ps, 0, 0),
        SliceRecord(op.unit, "dma", f"{label} steady", op.index, lead, op.end_ps, 30_000, 20_000),
    ]


def made_up(count: int = 4) -> RunRecord:
    """Return a run of `count` operators on an NPU and a last one on a CPU; the second is folded."""
    operators = [operator(i, fused_into=0 if i == 1 else None) for i in range(count)]
    operators.append(
        replace(operator(count, unit="cpu"), placement_reason="npu has no SOFTMAX; cpu has one", bound="dispatch")
    )
    costed = [op for op in operators if op.latency_ps is not None]
    makespan = (count + 1) * LATENCY
    busy = (len(costed) - 1) * LATENCY
    rates = [
        RateRecord(name, op.start_ps + DISPATCH + shift, rate)
        for op in costed
        for shift, rate in ((0, 8_000_000_000), (COMPUTE, 0))
        for name in ("dram.read", "noc.read", "npu.read", "npu>dram.read")
    ]
    return RunRecord(
        version="0.1.0", model="tiny", model_format="tflite", model_sha256="ab" * 32, platform="board",
        platform_title="A made-up board", overrides=("units.npu.clock = 800 MHz",),
        opps=(("cpu", "1800MHz"), ("npu", "800MHz")), preferred_unit="npu", detail="transaction", precision=None,
        batch=1,
        background=(("cpu", 10**9),), latency_ps=makespan, energy_pj=1_000_000, macs=1_000_000 * len(operators),
        parameters=4_000,
        operators=tuple(operators),
        units=(
            UnitRecord("npu", "npu", "vendor", "800MHz", 800_000_000, 1, count, busy, makespan - busy,
                       1_000_000 * (len(costed) - 1), 1_000_000_000_000, "dram", 20_000_000_000, 300_000),
            UnitRecord("cpu", "cpu", "tflite", "1800MHz", 1_800_000_000, 4, 1, LATENCY, makespan - LATENCY,
                       1_000_000, None, "dram", 25_000_000_000, 100_000),
        ),
        links=(LinkRecord("noc", 51_200_000_000, 120_000, 80_000, 900_000, (("cpu", 50_000), ("npu", 150_000)), 0),),
        memories=(
            MemoryRecord("dram", "dram", 8 * 2**30, 90_000, 40_000, 50_000, 25_000_000_000, 120_000, 80_000,
                         2_000_000, (("cpu", 50_000), ("npu", 150_000)), 200_000),
        ),
        energy=(
            EnergyAccount("unit", "npu", 300_000), EnergyAccount("unit", "cpu", 100_000),
            EnergyAccount("memory", "dram", 200_000), EnergyAccount("static", "npu", 400_000),
        ),
        explanations=tuple(
            Explanation(op.index, (f"array: {op.index + 1} passes", "all weights stay"), ("more channels",))
            for op in costed
        ),
        slices=tuple(s for op in costed for s in slices(op)),
        rates=tuple(rates), assumed_numbers=3, platform_numbers=12,
        notes=("one note",), warnings=("uncalibrated: no error range is known",),
    )  # fmt: skip


def hostile(count: int = 4) -> RunRecord:
    """Return a run in which every name from outside attacks HTML, terminals, spreadsheets and mathtext."""
    record = made_up(count)
    return replace(
        record,
        model=HOSTILE, platform=HOSTILE, platform_title=HOSTILE, notes=(HOSTILE,), warnings=(HOSTILE,),
        overrides=(HOSTILE,), opps=((HOSTILE, HOSTILE),), preferred_unit=HOSTILE,
        operators=tuple(
            replace(op, name=HOSTILE, type=HOSTILE, unit=HOSTILE, placement_reason=HOSTILE, bound=op.bound and HOSTILE)
            for op in record.operators
        ),
        units=(replace(record.units[0], name=HOSTILE, runtime=HOSTILE, opp=HOSTILE),),
        links=(replace(record.links[0], name=HOSTILE, initiators=((HOSTILE, 1),)),),
        memories=(replace(record.memories[0], name=HOSTILE, initiators=((HOSTILE, 1),)),),
        energy=tuple(replace(account, name=HOSTILE) for account in record.energy),
        slices=tuple(replace(s, unit=HOSTILE, label=HOSTILE) for s in record.slices),
        explanations=tuple(replace(e, terms=(HOSTILE,), levers=(HOSTILE,)) for e in record.explanations),
    )  # fmt: skip
