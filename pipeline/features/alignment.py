"""Are two pictures one picture? Their pixels are compared after a crop, a border or a small shift was undone.

One is laid over the other by Gauss-Newton steps on scale and shift of each axis, with gain and offset fitted along
(Lucas and Kanade 1981; Bartoli 2008 for the gain), from coarse to fine. Shapes: p pairs, pictures (p, SIDE, SIDE, 3).
"""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE = 64  # both pictures are squeezed to such a square; a crop of any sides is then a scale and a shift of each axis
_FIRST_STEPS, _STEPS = 8, {16: 4, 32: 8, 64: 5}  # from each start; then side of a level to its steps
_ARRIVED = 0.02  # pixels, twice: places reach from -1 to 1
_FURTHEST = 0.3  # how far scale and shift may go: beyond it, it is a detail and not the picture
_SMALLEST_OVERLAP = 0.6
_OUTLIERS = 0.1  # share of pixels left out of the verdict: a watermark covers less
_WINDOW = 8
_NOISE = 1.0  # grey levels squared: what JPEG leaves in a window without details
_MAX_CONTRAST = 5.0
FLAT = 4.0  # grey levels: a picture that varies less is one colour, and correlation would compare its noise
_SURE = 0.93  # colours and details of pictures that need not be moved
_PROMISING = 0.8  # correlation of 16 × 16 grey levels after the first steps, below which no copy was seen
_REST = np.array([1, 0, 1, 0], np.float32)


def squeezed(image: Image.Image, side: int = SIDE) -> np.ndarray:
    """(side, side, 3) uint8, smooth also where it is enlarged: the steps of a small copy would pass for details."""
    return np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC))


def grey(pictures: np.ndarray) -> np.ndarray:
    """(p, side, side, 3) to (p, side, side) float32, the mean of the channels; numpy is slow along an axis of three."""
    channels = pictures.astype(np.float32, copy=False)
    level: np.ndarray = channels[..., 0] + channels[..., 1]
    level += channels[..., 2]
    level /= 3
    return level


def without_border(image: Image.Image) -> Image.Image:
    """The picture without the frame of one shade around it; itself where there is none or less than half would be left."""
    level = np.asarray(image.convert("L"), np.float32)
    top, bottom = _bounds(level)
    left, right = _bounds(level[top:bottom].T)
    height, width = level.shape
    if (top, bottom, left, right) == (0, height, 0, width) or 2 * (bottom - top) < height or 2 * (right - left) < width:
        return image
    return image.crop((left, top, right, bottom))


def _bounds(level: np.ndarray) -> tuple[int, int]:
    """First row and last row + 1 that are not all of one shade; all rows where none is."""
    varied = np.flatnonzero(level.std(axis=1) >= FLAT)
    return (int(varied[0]), int(varied[-1]) + 1) if len(varied) else (0, len(level))


def agreement(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(p,) correlation of the colours and (p,) of the details, -1 to 1, where the aligned pictures overlap.

    Both are near 1 for copies that differ in brightness, contrast, a crop or a border. Colours: the worst tenth of the
    pixels is left out. Details: inside windows of 8 × 8 pixels, which two photos of alike things on a wall do not share.
    Two pictures of one colour agree when their colours do.
    """
    one, other = left.astype(np.float32), right.astype(np.float32)
    colours, details = _verdict(one, other, np.tile(_REST, (len(one), 1)))  # most copies lie as they are
    flat = (grey(one).std(axis=(1, 2)) < FLAT) | (grey(other).std(axis=(1, 2)) < FLAT)
    moved = np.flatnonzero(((colours < _SURE) | (details < _SURE)) & ~flat)
    if len(moved):
        found, kept = _pose(left[moved], right[moved], leave_early=True)
        if len(moved := moved[kept]):
            colours[moved], details[moved] = _verdict(one[moved], other[moved], found[kept])
    return np.where(flat, -1.0, colours), np.where(flat, -1.0, details)


def pose(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(p, 4) scale and shift across and down: where in the left picture each place of the right one lies. Any side."""
    return _pose(left, right, leave_early=False)[0]


def _pose(left: np.ndarray, right: np.ndarray, *, leave_early: bool) -> tuple[np.ndarray, np.ndarray]:
    """The poses, and the numbers of the pairs that were followed to the end: others are too different early on."""
    level, level_other = grey(left), grey(right)
    found, quality = _start(_shrunk(level, 16), _shrunk(level_other, 16))
    kept = np.flatnonzero(quality >= _PROMISING) if leave_early else np.arange(len(left))
    for side, steps in _STEPS.items():
        found[kept] = _stepped(_shrunk(level[kept], side), _shrunk(level_other[kept], side), found[kept], steps)
    return found, kept


def _stepped(one: np.ndarray, other: np.ndarray, pose: np.ndarray, steps: int) -> np.ndarray:
    """After at most so many steps; a pose that a step moved by a few hundredths of a pixel has arrived."""
    pose, moving = pose.copy(), np.arange(len(pose))
    for _ in range(steps):
        if not len(moving):
            break
        everyone = len(moving) == len(pose)
        after = step(one, other, pose) if everyone else step(one[moving], other[moving], pose[moving])
        far = np.abs(after - pose[moving]).max(axis=1) > _ARRIVED / one.shape[1]
        pose[moving] = after
        moving = moving[far]
    return pose


def coarse_agreement(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(p,) correlation of pictures as they are, any equal shape: cheap, and high for every copy. Flat ones get 1."""
    one, other = (
        pictures.reshape(len(pictures), np.prod(pictures.shape[1:], dtype=int)).astype(np.float32)
        for pictures in (left, right)
    )
    one, other = one - one.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
    spread = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    flat = FLAT**2 * one.shape[1]
    return np.where(spread < flat, 1.0, (one * other).sum(axis=1) / np.maximum(spread, flat))


def sharpness(image: Image.Image) -> float:
    """Variance of the Laplacian of the grey picture: higher is sharper, for pictures of the same size and content."""
    level = np.asarray(image.convert("L"), np.float64)
    if min(level.shape) < 3:
        return 0.0
    around = level[:-2, 1:-1] + level[2:, 1:-1] + level[1:-1, :-2] + level[1:-1, 2:]
    return float((around - 4 * level[1:-1, 1:-1]).var())


def step(one: np.ndarray, other: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """A Gauss-Newton step of other ≈ gain · (seen one + slopes · change of pose) + offset, where both are."""
    side = one.shape[1]
    seen, inside = warped(one[..., None], pose)
    seen = seen[..., 0]
    design = np.empty((len(one), 6, side, side), np.float32)
    _slopes(seen, out=design[:, 1])
    _slopes(seen.transpose(0, 2, 1), out=design[:, 3].transpose(0, 2, 1))
    design[:, 1] *= (side / 2) / pose[:, 0, None, None]
    design[:, 3] *= (side / 2) / pose[:, 2, None, None]
    across = _places(side)
    np.multiply(design[:, 1], across, out=design[:, 0])
    np.multiply(design[:, 3], across[:, None], out=design[:, 2])
    design[:, 4], design[:, 5] = seen, 1
    design *= inside[:, None]
    columns = design.reshape(len(one), 6, side * side)
    normal = columns @ columns.transpose(0, 2, 1) + 1e-2 * np.eye(6, dtype=np.float32)
    target = columns @ other.reshape(len(one), side * side, 1)
    solution = np.linalg.solve(normal.astype(np.float64), target.astype(np.float64))[..., 0]
    gain = solution[:, 4]
    change = np.where((gain > 0.1)[:, None], solution[:, :4] / np.maximum(gain, 0.1)[:, None], 0).clip(-0.1, 0.1)
    rest = np.array([1, 0, 1, 0])
    return (rest + (pose + change - rest).clip(-_FURTHEST, _FURTHEST)).astype(np.float32)


def _slopes(seen: np.ndarray, *, out: np.ndarray) -> None:
    """Central differences along the last axis, of one side at the rims."""
    np.subtract(seen[..., 2:], seen[..., :-2], out=out[..., 1:-1])
    out[..., 1:-1] *= 0.5
    np.subtract(seen[..., 1], seen[..., 0], out=out[..., 0])
    np.subtract(seen[..., -1], seen[..., -2], out=out[..., -1])


def _start(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(p, 4) the best of three poses after some steps each: as it is, a border gone, a crop undone; (p,) correlation."""
    starts = np.array([[scale, 0, scale, 0] for scale in (1.0, 0.93, 1.07)], np.float32)
    thrice, other_thrice = np.tile(one, (3, 1, 1)), np.tile(other, (3, 1, 1))
    tried = _stepped(thrice, other_thrice, np.repeat(starts, len(one), axis=0), _FIRST_STEPS)
    seen, inside = warped(thrice[..., None], tried)
    found = fit(seen, other_thrice[..., None], inside)[2][:, 0, 0, 0]
    quality = np.where(inside.mean(axis=(1, 2)) >= _SMALLEST_OVERLAP, found, -1.0).reshape(3, len(one))
    best = np.argmax(quality, axis=0)
    return tried.reshape(3, len(one), 4)[best, np.arange(len(one))], np.max(quality, axis=0)


def _verdict(one: np.ndarray, other: np.ndarray, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(p,) correlations of colours and of details inside both; -1 where too little overlaps."""
    seen, inside = warped(one, pose)
    share = inside.mean(axis=(1, 2))
    gain, offset, _ = fit(seen, other, inside)
    misfit = 3 * grey(np.abs(gain * seen + offset - other))
    rank = 1 - _OUTLIERS * share.min(initial=1)
    limit = np.quantile(np.where(inside, misfit, 0), rank, axis=(1, 2))[:, None, None]
    colours = fit(seen, other, inside & (misfit <= limit))[2][:, 0, 0, 0]
    enough = share >= _SMALLEST_OVERLAP
    details = _details(grey(seen), grey(other), inside)
    return np.where(enough, colours, -1.0), np.where(enough, details, -1.0)


def _details(one: np.ndarray, other: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(p,) agreement inside windows, over those that lie in both pictures; a print that only one has counts against it.

    Of a window: 2 cov / (var + var), one gain for the whole picture taken out first. A window weighs as it varies.
    """
    whole = windows(inside).all(axis=2)  # (p, windows)
    a, b = windows(one), windows(other)  # (p, windows, pixels)
    a, b = a - a.mean(axis=2, keepdims=True), b - b.mean(axis=2, keepdims=True)
    aa, bb, ab = (a * a).mean(axis=2), (b * b).mean(axis=2), (a * b).mean(axis=2)
    gain = (whole * ab).sum(axis=1) / np.maximum((whole * aa).sum(axis=1), 1e-6)
    gain = gain.clip(1 / _MAX_CONTRAST, _MAX_CONTRAST)[:, None]
    aa, ab = gain**2 * aa, gain * ab
    alike = 2 * ab / (aa + bb + 2 * _NOISE)
    weight = whole * np.maximum(aa, bb) ** 0.25
    return (weight * alike).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-6)


def windows(pictures: np.ndarray) -> np.ndarray:
    """(p, SIDE, SIDE) to (p, windows, pixels of a window)."""
    n = pictures.shape[1] // _WINDOW
    cut = pictures.reshape(len(pictures), n, _WINDOW, n, _WINDOW).transpose(0, 1, 3, 2, 4)
    return cut.reshape(len(pictures), n * n, _WINDOW * _WINDOW)


def fit(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """gain, offset and correlation of other ≈ gain · one + offset, each (p, 1, 1, 1)."""
    both = np.empty((len(one), 3, *one.shape[1:]), np.float32)
    both[:, 0], both[:, 1], both[:, 2] = one, other, 1
    flat = both.reshape(len(one), 3, -1)
    about = flat[:, :2].mean(axis=2, keepdims=True)  # taken off first: of large squares the small difference is noise
    flat[:, :2] -= about
    both *= where[:, None, :, :, None]
    sums = flat @ flat.transpose(0, 2, 1)
    sums /= np.maximum(sums[:, 2:, 2:], 1)
    mean, mean_other = sums[:, 0, 2], sums[:, 1, 2]
    ab, aa, bb = sums[:, 0, 1] - mean * mean_other, sums[:, 0, 0] - mean**2, sums[:, 1, 1] - mean_other**2
    gain = ab / np.maximum(aa, 1e-6)
    offset = mean_other + about[:, 1, 0] - gain * (mean + about[:, 0, 0])
    found = gain, offset, ab / np.sqrt(np.maximum(aa * bb, 1e-6))
    gain, offset, correlation = (part[:, None, None, None] for part in found)
    return gain, offset, correlation


def warped(pictures: np.ndarray, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pictures (p, side, side, c) seen at scale · place + shift, linear between pixels; (p, side, side) bool inside."""
    side = pictures.shape[1]
    places = _places(side)
    x, inside_x = _at(pose[:, 0, None] * places + pose[:, 1, None], side)
    y, inside_y = _at(pose[:, 2, None] * places + pose[:, 3, None], side)
    across = np.ascontiguousarray(x.transpose(0, 2, 1))
    seen = np.empty(pictures.shape, np.float32)
    for channel in range(pictures.shape[3]):
        seen[..., channel] = y @ pictures[..., channel] @ across
    return seen, inside_y[:, :, None] & inside_x[:, None, :]


def _at(wanted: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """(p, side) places to (p, side, side) weights of the pixels there, and whether the place lies in the picture."""
    pixel = (wanted + 1) * (side / 2) - 0.5
    weights = np.maximum(0, 1 - np.abs(pixel.clip(0, side - 1)[..., None] - np.arange(side, dtype=np.float32)))
    return weights.astype(np.float32), (pixel >= -0.01) & (pixel <= side - 0.99)


def _places(side: int) -> np.ndarray:
    """(side,) centres of pixels, from -1 to 1 over the picture."""
    return ((np.arange(side) + 0.5) * (2 / side) - 1).astype(np.float32)


def _shrunk(level: np.ndarray, side: int) -> np.ndarray:
    block = level.shape[1] // side
    if block == 1:
        return level
    cut = level.reshape(len(level), side, block, side, block)
    shrunk: np.ndarray = sum(cut[:, :, down, :, across] for down in range(block) for across in range(block)) / block**2
    return shrunk
