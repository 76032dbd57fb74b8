"""What the verbs of the command line share: options, and how results and messages go out."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from socsim.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from socsim.soc.platform import Platform

Model = Annotated[str, typer.Argument(help="A .tflite, .onnx or ncnn .param file, or a name of the zoo.")]
PlatformName = Annotated[str, typer.Option("--platform", "-p", help="A platform's name or YAML file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no warnings on stderr.")]
Precision = Annotated[str | None, typer.Option(help="Types to cost the network in: int8, fp16, int8x16, …")]
Shape = Annotated[
    list[str] | None, typer.Option(help="NAME=DIMS of an input that the file leaves open: data=1x3x224x224.")
]
MOST_DIGITS = 10
"""Digits of a dimension; tensors have 2**31 elements at most."""


def given(options: Mapping[str, Path | None]) -> dict[str, Path]:
    """Return the files that options name."""
    return {option: path for option, path in options.items() if path is not None}


def read_files(model: str, soc: Platform | None = None) -> list[Path]:
    """Return the files that a network and a platform come from, bases included."""
    from socsim.workload.zoo import stored_file

    stored = stored_file(model)
    places = soc.document.places.values() if soc else ()
    return [Path(model), *([stored] if stored else []), *map(Path, dict.fromkeys(p.where for p in places))]


def pairs_of(values: Sequence[str] | None, option: str, *, last: bool = False) -> dict[str, str]:
    """Return the pairs of an option that may be repeated.

    Args:
        values: as given.
        option: for messages.
        last: whether the last "=" parts name and value, as where names may hold one.

    Raises:
        UsageError: text without "=", or a name given twice.
    """
    pairs: dict[str, str] = {}
    for text in values or ():
        key, separator, value = text.rpartition("=") if last else text.partition("=")
        if not separator or not key or not value:
            msg = f"{option} {text!r}: write NAME=VALUE"
            raise UsageError(msg)
        if key in pairs:
            msg = f"{option} {key}: given twice, {pairs[key]!r} and {value!r}; give it once"
            raise UsageError(msg)
        pairs[key] = value
    return pairs


def say_rows(columns: list[str], rows: Sequence[Sequence[Any]], as_json: bool, schema: str) -> None:
    """Print a table, or its JSON document."""
    from socsim.report.tables import Table

    table = Table("", columns, [tuple(r) for r in rows])
    say(table_json(table, schema) if as_json else table.to_text())


def table_json(table: Any, schema: str) -> str:
    """Return the JSON document of a table."""
    return json.dumps({"schema_version": schema, "rows": list(table)}, indent=1, ensure_ascii=False)


def say(text: str) -> None:
    """Write a result to stdout."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def note(text: str) -> None:
    """Write a message to stderr."""
    with suppress(OSError):  # without a place for messages the exit code remains
        if sys.stderr is not None:
            sys.stderr.write(f"socsim: {text}\n")


def progress(text: str, quiet: bool) -> None:
    """Say on a terminal what is being done."""
    if not quiet and sys.stderr is not None and sys.stderr.isatty():
        note(text)


def shapes_of(values: Sequence[str] | None) -> dict[str, tuple[int, ...]] | None:
    """Return dimensions by input, None for none.

    Raises:
        UsageError: something else than dimensions.
    """
    shapes = {}
    for name, text in pairs_of(values, "--shape").items():
        dims = text.replace(",", "x").split("x")
        if not all(d.isascii() and d.isdigit() and len(d) <= MOST_DIGITS for d in dims):
            msg = f"--shape {name}={text}: write dimensions such as 1x3x224x224"
            raise UsageError(msg)
        shapes[name] = tuple(int(d) for d in dims)
    return shapes or None
