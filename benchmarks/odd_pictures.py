"""Opens every odd file of the corpus and prints a table of verdicts, crashes, slow files and peak memory.

    python -m benchmarks.odd_pictures [--quick]

The files are made by one process and opened by a fresh one, so that the peak is that of opening alone. Exit code 1
when a verdict differs, a file takes over 2 s, or the peak reaches 400 MB. --quick leaves out the heaviest files.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline import ROOT

sys.path.insert(0, str(ROOT / "tests"))

SLOW = 2.0  # seconds
MOST_MEMORY = 400  # MB, interpreter included


def peak_megabytes() -> float:
    """Most memory this process ever held, in 2**20 bytes. /proc where there is one: rusage may count the parent's."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 1024)


def make(folder: str, heavy: bool) -> None:
    from data.odd_pictures import corpus, file_name

    for odd in corpus(heavy=heavy):
        path = Path(file_name(odd, folder))
        path.parent.mkdir()
        try:
            path.write_bytes(odd.make())
        except OSError as error:
            print(f"not made: {odd.name} ({error})", file=sys.stderr)


def judge(folder: str, heavy: bool) -> int:
    from data.odd_pictures import corpus, file_name

    from pipeline import records
    from pipeline.errors import PictureError
    from pipeline.images import opening

    files = [(odd, path) for odd in corpus(heavy=heavy) if (path := Path(file_name(odd, folder))).exists()]
    before = peak_megabytes()
    wrong = crashes = slow = accepted = 0
    print(f"{'file':45} {'ms':>6} {'peak MB':>8}  verdict")
    for odd, path in files:
        said, differs, slowest = "", "", 0.0
        for full in (False, True):
            begin = time.perf_counter()
            outcome: records.Picture | Exception
            try:
                outcome = opening.open_image(opening.read_file(path), full=full)
                said = f"{outcome.format} {outcome.width} × {outcome.height}"
            except PictureError as error:
                outcome, said = error, f"refused: {error}"
            except Exception as error:
                outcome, said = error, f"CRASH: {error!r}"
                crashes += 1
            slowest = max(slowest, time.perf_counter() - begin)
            differs = differs or odd.difference(outcome, full=full)
            del outcome
        accepted += said[0].isupper() and not said.startswith("CRASH")
        wrong += bool(differs)
        slow += slowest > SLOW
        mark = f"  << {differs}" if differs else ""
        print(f"{odd.name[:45]:45} {slowest * 1000:6.0f} {peak_megabytes():8.0f}  {said[:90]}{mark}")
    peak = peak_megabytes()
    print(
        f"\n{len(files)} files, each opened twice: {accepted} accepted, {len(files) - accepted} refused; {wrong} wrong verdicts,"
        f" {crashes} crashes, {slow} over {SLOW:.0f} s; peak {peak:.0f} MB, of which {before:.0f} before the first file"
    )
    return int(bool(wrong or crashes or slow or peak >= MOST_MEMORY))


def main() -> int:
    if sys.argv[1:2] == ["--judge"]:
        return judge(sys.argv[2], sys.argv[3] == "heavy")
    if sys.argv[1:2] == ["--make"]:
        make(sys.argv[2], sys.argv[3] == "heavy")
        return 0
    size = "light" if "--quick" in sys.argv else "heavy"
    again = [sys.executable, "-m", "benchmarks.odd_pictures"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*again, "--make", folder, size], check=True, cwd=ROOT)
        return subprocess.run([*again, "--judge", folder, size], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
