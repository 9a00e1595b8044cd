"""Views of pictures: what is drawn by chance can be drawn again, and what is left alone is left alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from training.data import augment


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 8, side: int = 64) -> torch.Tensor:
    """Smooth, no two parts alike, in [0, 1]."""
    coarse = torch.rand(n, 3, 6, 6, generator=chance(1))
    return F.interpolate(coarse, (side, side), mode="bilinear", align_corners=False)


def plane(n: int = 400, side: int = 64) -> torch.Tensor:
    """Red is x and green is y, both in [0, 1], so that a view tells where it was cut out."""
    at = (torch.arange(side) + 0.5) / side
    return torch.stack([at.expand(side, side), at.view(-1, 1).expand(side, side), torch.zeros(side, side)]).expand(
        n, -1, -1, -1
    )


def test_a_generator_in_the_same_state_makes_the_same_views() -> None:
    for work in (
        lambda g: augment.crops(pictures(), 32, smallest=0.3, generator=g),
        lambda g: augment.jittered(pictures(), 0.3, generator=g),
        lambda g: augment.erased(pictures(), 0.5, generator=g),
        lambda g: augment.mixed(pictures(), cutmix=0.5, mixup=0.5, generator=g)[0],
    ):
        assert torch.equal(work(chance()), work(chance()))
        assert not torch.equal(work(chance()), work(chance(5)))


def test_the_caller_s_own_chance_is_left_alone() -> None:
    before = torch.get_rng_state()
    augment.crops(pictures(), 32, smallest=0.3, generator=chance())
    augment.mixed(pictures(), cutmix=0.5, mixup=0.5, generator=chance())
    assert torch.equal(torch.get_rng_state(), before)


def untouched(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(views of whole pictures that were not mirrored, those pictures)."""
    views = augment.crops(pictures(64), side, smallest=1, generator=chance())
    mirrored = torch.rand(5, 64, generator=chance())[4] < 0.5
    assert 10 < mirrored.sum() < 54
    return views[~mirrored], pictures(64)[~mirrored]


def test_a_whole_picture_is_only_resized() -> None:
    views, whole = untouched(32)
    for row, column in ((0, 0), (3, 17), (31, 30)):
        four = whole[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        torch.testing.assert_close(views[:, :, row, column], four.mean((2, 3)), atol=1e-4, rtol=0)
    torch.testing.assert_close(*untouched(64), atol=1e-4, rtol=0)
    views, whole = untouched(96)
    resized = F.interpolate(whole, (96, 96), mode="bilinear", align_corners=False)
    torch.testing.assert_close(views, resized, atol=1e-4, rtol=0)
    views, whole = untouched(40)
    resized = F.interpolate(whole, (40, 40), mode="bilinear", align_corners=False, antialias=True)
    torch.testing.assert_close(views, resized, atol=0.02, rtol=0)


def test_half_of_the_views_are_mirrored_and_none_is_upside_down() -> None:
    views = augment.crops(plane(), 16, smallest=0.5, generator=chance())
    across = views[:, 0, :, -1].mean(1) - views[:, 0, :, 0].mean(1)
    assert 150 < (across < 0).sum() < 250
    assert (views[:, 1, -1].mean(1) > views[:, 1, 0].mean(1)).all()


@pytest.mark.parametrize("smallest", [0.25, 0.8])
def test_crops_have_the_area_and_the_shape_that_was_promised_and_lie_inside(smallest: float) -> None:
    views = augment.crops(plane(), 16, smallest=smallest, generator=chance())
    # 16 samples span 15 / 16 of a side
    width = (views[:, 0, 8, -1] - views[:, 0, 8, 0]).abs() * 16 / 15
    height = (views[:, 1, -1, 8] - views[:, 1, 0, 8]).abs() * 16 / 15
    area = width * height
    assert area.min() >= smallest - 0.02  # a border's half pixel is repeated
    assert area.max() > 0.9
    assert abs(float(area.mean()) - (1 + smallest) / 2) < 0.03
    ratio = width / height
    assert ratio.max() < 4 / 3 + 0.05
    assert ratio.min() > 3 / 4 - 0.05
    assert ratio.max() > 1.1
    assert ratio.min() < 0.9


def test_jitter_stays_in_range_moves_every_picture_and_strength_0_moves_none() -> None:
    found = augment.jittered(pictures(), 0.3, generator=chance())
    assert 0 <= found.min() <= found.max() <= 1
    assert all(not torch.equal(a, b) for a, b in zip(found, pictures(), strict=True))
    torch.testing.assert_close(augment.jittered(pictures(), 0, generator=chance()), pictures())
    grey = torch.full((4, 3, 8, 8), 0.5)
    for picture in augment.jittered(grey, 0.3, generator=chance()):  # no contrast and no colour: brightness alone
        assert picture.std() < 1e-6
        assert 0.35 <= float(picture.mean()) <= 0.65


def test_the_share_of_erased_pictures_and_the_size_of_the_holes_hold() -> None:
    found = augment.erased(torch.ones(2000, 3, 32, 32), 0.25, generator=chance())
    holes = (found == 0).float().mean((1, 2, 3))
    share = float((holes > 0).float().mean())
    assert abs(share - 0.25) < 0.04
    assert 0.15 < holes.max() <= 0.36
    assert set(found.unique().tolist()) == {0, 1}
    one = found[int(holes.argmax())]
    assert torch.equal(one[0], one[1])  # all channels
    rows, columns = (one[0] == 0).any(1).sum(), (one[0] == 0).any(0).sum()
    assert int(rows * columns) == int((one[0] == 0).sum())  # a rectangle
    assert torch.equal(augment.erased(pictures(), 0, generator=chance()), pictures())


def test_cutmix_says_exactly_how_much_of_a_picture_is_its_own() -> None:
    marked = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 20, 20)
    shares = []
    for seed in range(60):
        out, partner, own = augment.mixed(marked, cutmix=1, mixup=0, generator=chance(seed))
        for i in range(8):
            values = set(out[i].unique().tolist())
            assert values <= {float(i), float(partner[i])}
            if partner[i] != i:
                assert float((out[i] == i).float().mean()) == pytest.approx(own)
        shares.append(own)
    assert min(shares) < 0.4
    assert max(shares) > 0.9


def test_mixup_blends_by_the_share_it_says_and_mostly_little() -> None:
    shares = []
    for seed in range(200):
        out, partner, own = augment.mixed(pictures(), cutmix=0, mixup=1, generator=chance(seed))
        torch.testing.assert_close(out, own * pictures() + (1 - own) * pictures()[partner])
        shares.append(min(own, 1 - own))
    # Beta(0.2, 0.2): F(0.1) = 0.34 by numerical integration, so 0.68 lie within 0.1 of an end
    grid = (np.arange(200_000) + 0.5) / 200_000
    density = (grid * (1 - grid)) ** -0.8
    expected = 2 * density[grid < 0.1].sum() / density.sum()
    assert math.isclose(np.mean(np.array(shares) < 0.1), expected, abs_tol=0.1)


def test_the_shares_of_batches_hold_and_the_others_are_untouched() -> None:
    kinds = {"cut": 0, "blend": 0, "none": 0}
    marked = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 20, 20)
    for seed in range(600):
        out, partner, own = augment.mixed(marked, cutmix=0.5, mixup=0.25, generator=chance(seed))
        whole = set(out.unique().tolist()) <= set(range(8))
        if own == 1 and torch.equal(out, marked):
            kinds["none"] += 1
        else:
            kinds["cut" if whole else "blend"] += 1
        assert sorted(partner.tolist()) == list(range(8))
    assert abs(kinds["cut"] / 600 - 0.5) < 0.07
    assert abs(kinds["blend"] / 600 - 0.25) < 0.07
