"""Whether an installed package has a known hole: pip-audit, and what its answer is worth.

    python -m deploy.audit [--excused REASON] [pip-audit's options]

Exit 1 for a known hole, exit 0 when there is none. When the service cannot be asked exit 3, unless a reason is given why
that is to be expected: then 0, and the line says both. pip-audit itself says "no known vulnerabilities" also when the service knew none of the packages, as a mirror of PyPI does.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

SECONDS = 55.0
NOT_AUDITED = 3


def audit(options: Sequence[str] = (), *, excused: str = "", seconds: float = SECONDS) -> int:
    """The exit code; what was found is printed. excused: why it may be that nothing is audited here."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--desc", "off", "--progress-spinner", "off"]
    try:
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return _not_audited(f"no answer within {seconds:g} s", excused)
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return _not_audited(last[:300], excused)
    known = [one for one in packages if "vulns" in one]
    if not known:
        return _not_audited(f"the service knows none of the {len(packages)} packages", excused)
    holes = [(one, hole) for one in known for hole in one["vulns"]]
    for one, hole in holes:
        fixed = ", ".join(hole["fix_versions"]) or "no version yet"
        print(f"{one['name']} {one['version']}: {hole['id']} {' '.join(hole['aliases'])}; fixed in {fixed}")
    unknown = len(packages) - len(known)
    passed_over = f"; {unknown} are unknown to the service" if unknown else ""
    print(f"audited {len(known)} packages, {len(holes)} known holes{passed_over}")
    return 1 if holes else 0


def _not_audited(reason: str, excused: str) -> int:
    print(f"NOT audited: {reason}" + (f"; excused: {excused}" if excused else ""))
    return 0 if excused else NOT_AUDITED


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--excused", default="", metavar="REASON", help="why it may be that nothing is audited here")
    given, options = parser.parse_known_args()
    return audit(options, excused=given.excused.strip())


if __name__ == "__main__":
    sys.exit(main())
