"""The verbs of workloads: networks and scenarios."""

from __future__ import annotations

import typer

from socsim.cli_support import AsJson, Model, Precision, Shape, say, say_rows, shapes_of

workloads_app = typer.Typer(help="Workloads: list, show.", no_args_is_help=True, rich_markup_mode=None)


@workloads_app.command("list")
def workloads_list(as_json: AsJson = False) -> None:
    """List the networks and scenarios that ship with socsim; networks are files, or drawn when they are asked for."""
    from socsim.workload.scenario.loader import load_scenario, scenario_names
    from socsim.workload.zoo import zoo

    columns = ["name", "family", "title", "kind", "source"]
    rows = [(e.name, e.family, e.title, e.kind, e.source) for e in zoo().values()]
    rows += [
        (name, "", load_scenario(name).file.title, "scenario", f"workloads/scenarios/{name}.yaml")
        for name in scenario_names()
    ]
    shown = len(columns) if as_json else -1  # sources are too long for a terminal
    say_rows(columns[:shown], [row[:shown] for row in rows], as_json, "socsim.workloads/1")


@workloads_app.command("show")
def workloads_show(model: Model, shape: Shape = None, precision: Precision = None, as_json: AsJson = False) -> None:
    """Show a network: inputs, outputs, operators by type, MACs and parameters; or a scenario: what runs when."""
    import socsim as ss
    from socsim.workload.description import describe, description_json
    from socsim.workload.scenario.description import is_scenario, scenario_description, scenario_json
    from socsim.workload.zoo import origin

    if is_scenario(model):
        scenario = ss.scenario(model)
        say(scenario_json(scenario) if as_json else scenario_description(scenario))
        return
    net = ss.load(model, shapes=shapes_of(shape), precision=precision)
    say(description_json(net) if as_json else "\n".join([describe(net), *origin(model)]))
