"""Does the page on simulated targets name what there is?"""

from __future__ import annotations

import re

from controller.sim.address import parse
from controller.sim.families import FAMILIES
from controller.sim.parameters import CONDITIONS
from tests.docs.pages import DOCS, text

PAGE = text(DOCS / "simulated-targets.md")


def test_every_family_and_parameter_is_named() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE))
    wanted = {*FAMILIES, *CONDITIONS, *(name for f in FAMILIES.values() for name in f.own)}
    assert not wanted - named


def test_the_urls_on_the_page_can_be_read() -> None:
    urls = re.findall(r"^ +(sim://\S+)$", PAGE, re.MULTILINE)
    assert len(urls) > 1
    for url in urls:
        assert parse(url).family in FAMILIES
