"""The list of platforms: the same as of loaded ones, and as strict where a file is no description."""

from __future__ import annotations

import pytest

from socsim.errors import PlatformError
from socsim.soc import headings as module
from socsim.soc import loader
from socsim.soc.headings import headings
from socsim.soc.loader import load_platform, platform_names


def test_headings_are_those_of_the_loaded_platforms():
    loaded = [load_platform(name) for name in platform_names()]
    assert [(h.name, h.title, h.units) for h in headings()] == [(p.name, p.file.title, tuple(p.units)) for p in loaded]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: board\ntitle: Board\nunits: 3\n", r"board\.yaml:3: units: "),
        ("name: board\ntitle: [Board]\n", r"board\.yaml:2: title: "),
        (
            "name: board\nbased_on: board.yaml\n",
            r"board\.yaml:2: based_on: .board\.yaml. is based on this file in turn",
        ),
        ("name: board\n", r"board\.yaml:1: title: missing"),
        ("- board\n", r"board\.yaml:1: "),
        ("title: 'Board\n", r"board\.yaml:\d: not YAML: "),
    ],
)
def test_a_file_that_is_no_description_is_refused_with_its_faults(tmp_path, monkeypatch, text, message):
    (tmp_path / "board.yaml").write_text(text)
    monkeypatch.setattr(module, "platform_names", lambda: ["board"])
    for user in (module, loader):
        monkeypatch.setattr(user, "find_platform", lambda *_, **__: tmp_path / "board.yaml")
    with pytest.raises(PlatformError, match=message):
        headings()
