"""Equal records give equal bytes in every format, whatever the process's hash seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PROGRAM = """
import sys, hashlib
sys.path.insert(0, sys.argv[1])
from report_runs import made_up
from report_simulations import simulation
from socsim.report.comparison import Comparison
from socsim.report.documents import to_json
from socsim.report.drawing import offline_axes, render
from socsim.report.figures import timeline, roofline
from socsim.report.html import repr_html, report_html
from socsim.report.simulation import Simulation
from socsim.report.simulation_html import repr_html as simulation_fragment
from socsim.report.simulation_trace import trace_bytes as simulation_trace
from socsim.report.tables import operators_table
from socsim.report.text import summary
from socsim.report.trace import trace_bytes
record, whole = made_up(12), Simulation(simulation(3))
parts = {
    "json": to_json(record, include_timeline=True), "csv": operators_table(record).to_csv(), "text": summary(record),
    "fragment": repr_html(record), "report": report_html(record), "compare": Comparison(record, made_up(9)).to_json(),
    "trace": trace_bytes(record), "svg": render(timeline(record, offline_axes((9, 4))).figure, "svg"),
    "png": render(roofline(record, offline_axes((9, 4))).figure, "png"),
    "simulation json": whole.to_json(include_timeline=True), "simulation csv": whole.to_csv(),
    "simulation text": whole.summary(), "simulation fragment": simulation_fragment(whole.record),
    "simulation report": whole.to_html(), "simulation compare": whole.compare(Simulation(simulation())).to_json(),
    "simulation trace": simulation_trace(whole.record),
}
for name, part in parts.items():
    print(name, hashlib.sha256(part if isinstance(part, bytes) else part.encode()).hexdigest())
print(hash("seed"), file=sys.stderr)
"""


def test_bytes_do_not_depend_on_the_hash_seed_or_the_working_directory(tmp_path):
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(TESTS)], cwd=folder, env=os.environ | {"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for seed, folder in (("1", TESTS.parent), ("2", tmp_path))
    ]  # fmt: skip
    (first, first_hash), (second, second_hash) = [process.communicate(timeout=180) for process in started]
    assert [process.returncode for process in started] == [0, 0], first_hash
    assert first_hash != second_hash
    assert first.splitlines() == second.splitlines()
    assert len(first.splitlines()) == 16
