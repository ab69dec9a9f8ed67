#!/usr/bin/env python3
"""Counts the tests of a ctest run: every GoogleTest case is one, and so is
every lit test, whose own summary stands in the output of the ctest entry."""

import re
import sys
import xml.etree.ElementTree as xml

LIT_LINE = re.compile(r"^\s*(Passed|Unsupported|Failed|Unresolved|Timed Out|"
                      r"Expectedly Failed|Unexpectedly Passed)\s*:\s*(\d+)", re.MULTILINE)
KIND = {"Passed": "passed", "Expectedly Failed": "passed", "Unsupported": "skipped"}


def count(path):
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for case in xml.parse(path).getroot().iter("testcase"):
        output = case.findtext("system-out") or ""
        lines = LIT_LINE.findall(output) if case.get("name") == "lit" else []
        for kind, number in lines:
            totals[KIND.get(kind, "failed")] += int(number)
        if not lines:
            status = {"run": "passed", "fail": "failed"}.get(case.get("status"), "skipped")
            totals[status] += 1
    return totals


if __name__ == "__main__":
    totals = count(sys.argv[1])
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**totals))
