"""How does a run show in a CI server that reads JUnit XML?

exit status   0        1         130        else
test case     passed   failure   skipped    error
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from controller.report.result import Result

_ELEMENTS = {1: "failure", 130: "skipped"}
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_of(result: Result) -> str:
    """A test suite of one case: does the target carry what was asked?"""
    exit_status, gate = result["exit_status"], result["gate"]
    element = _ELEMENTS.get(exit_status, "error") if exit_status else None
    seconds = f"{result['cost']['seconds'] or 0:.3f}"
    counts = {f"{name}s": "0" for name in ("failure", "error")} | {"skipped": "0"}
    if element is not None:
        counts["skipped" if element == "skipped" else f"{element}s"] = "1"
    suites = ET.Element("testsuites")
    suite = ET.SubElement(suites, "testsuite", {"name": "tonnage", "tests": "1", **counts})
    suite.set("time", seconds)
    properties = ET.SubElement(suite, "properties")
    for name in ("estimate", "low", "high", "safe", "strict"):
        value = result["capacity"][name]
        if value is not None:
            ET.SubElement(properties, "property", {"name": name, "value": f"{value:g}"})
    title = "capacity" if gate is None else f"carries {gate['require']:g}/s"
    named = _clean(f"{_name(result)}: {title}")
    case = ET.SubElement(suite, "testcase", {"classname": "tonnage", "name": named})
    case.set("time", seconds)
    if element is not None:
        reason = _clean(gate["reason"] if gate and element == "failure" else result["reason"])
        ET.SubElement(case, element, {"message": reason, "type": result["status"]}).text = reason
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode")


def _name(result: Result) -> str:
    return str(result["goal"].get("name") or result["run"])


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
