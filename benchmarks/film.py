"""How much faster than it plays a film is brought into a gallery: frames read, chosen, encoded, searchable.

    python -m benchmarks.film [--minutes 10] [--data FOLDER] [--shots] [--encoder SPEC]

The film is made here once, 1280 × 720 at 25 frames a second in H.264: pans of 4 s over clothing photos, one in ten of them
blurred and one in ten standing still. Making it is not counted. Exit code 1 below 4 times.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import measuring
from pipeline import plugins
from pipeline.gallery.opening import create_gallery
from pipeline.ingest import sync
from pipeline.ingest.ingest import ingest
from pipeline.plugins import DEFAULT_ENCODER
from pipeline.settings import Settings

BAR = 4.0
SIZE, RATE, SCENE = (1280, 720), 25, 4.0


def make(path: Path, photos: list[Path], minutes: float) -> None:
    import av
    from PIL import Image, ImageFilter

    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        scenes, count = round(minutes * 60 / SCENE), round(SCENE * RATE)
        for scene in range(scenes):
            wide = Image.open(photos[scene % len(photos)]).convert("RGB").resize((SIZE[0] * 3 // 2, SIZE[1] * 3 // 2))
            wide = wide.filter(ImageFilter.GaussianBlur(30)) if scene % 10 == 3 else wide
            for number in range(count):
                left = 0 if scene % 10 == 7 else (wide.width - SIZE[0]) * number // count
                frame = wide.crop((left, 100, left + SIZE[0], 100 + SIZE[1]))
                out.mux(stream.encode(av.VideoFrame.from_image(frame)))
        out.mux(stream.encode(None))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--data", type=Path, default=measuring.CLOTHING)
    parser.add_argument("--encoder", default=DEFAULT_ENCODER)
    parser.add_argument("--shots", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="film-") as folder:
        root = Path(folder) / "films"
        root.mkdir()
        make(root / "pans.mp4", sorted((given.data / "test").glob("*/*.jpg")), given.minutes)
        os.environ["SEMBLANCE_HOME"] = folder
        encoder = plugins.build("encoders", given.encoder)
        spec = f"video:root={root},shots={str(given.shots).lower()}"
        dataset, begun, busy = plugins.build("datasets", spec), time.perf_counter(), os.times()
        dataset.prepare()
        reading = time.perf_counter() - begun
        with contextlib.closing(sync.open_store(Settings())) as store:
            report = ingest(
                create_gallery("films", Settings()),
                dataset,
                encoder,
                spec=given.encoder,
                store=store,
                dataset_spec=spec,
            )
        seconds, after = time.perf_counter() - begun, os.times()
        used = sum(after[:4]) - sum(busy[:4])
        times = given.minutes * 60 / seconds
        print(
            f"{given.minutes:g} minutes of 720p at {RATE}/s, {(root / 'pans.mp4').stat().st_size / 1e6:.0f} MB, {given.encoder}: "
            f"{report.added} frames in {seconds:.1f} s ({reading:.1f} s of it read and chosen), {times:.1f} x real time; "
            f"{used / seconds:.2f} of {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {'; '.join(report.notes)}"
        )
    return 0 if times >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
