"""Whether an installed package has a known hole: pip-audit, and what its answer is worth.

    python -m deploy.audit [pip-audit's options]

Exit 1 for a known hole. Exit 0 when there is none, and when the service cannot be asked: the line says which. pip-audit
itself says "no known vulnerabilities" also when the service knew none of the packages, as a mirror of PyPI does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

SECONDS = 55.0


def audit(options: Sequence[str] = (), *, seconds: float = SECONDS) -> int:
    """The exit code; what was found is printed."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--desc", "off", "--progress-spinner", "off"]
    try:
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return _not_audited(f"no answer within {seconds:g} s")
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return _not_audited(last[:300])
    known = [one for one in packages if "vulns" in one]
    if not known:
        return _not_audited(f"the service knows none of the {len(packages)} packages")
    holes = [(one, hole) for one in known for hole in one["vulns"]]
    for one, hole in holes:
        fixed = ", ".join(hole["fix_versions"]) or "no version yet"
        print(f"{one['name']} {one['version']}: {hole['id']} {' '.join(hole['aliases'])}; fixed in {fixed}")
    unknown = len(packages) - len(known)
    passed_over = f"; {unknown} are unknown to the service" if unknown else ""
    print(f"audited {len(known)} packages, {len(holes)} known holes{passed_over}")
    return 1 if holes else 0


def _not_audited(reason: str) -> int:
    print(f"NOT audited: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(audit(sys.argv[1:]))
