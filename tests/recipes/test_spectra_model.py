"""The spectra model: what it starts from, what it gives, and that it learns."""

from __future__ import annotations

import pytest
import torch

from trainer.errors import ConfigError
from trainer.recipes.spectra.fit import TransitFit
from trainer.recipes.spectra.model import SpectraNet

BINS = 48


@pytest.fixture(autouse=True)
def one_thread():
    """Many small tensors: threads only wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def planets(count: int, noise: float = 0.0, drift: float = 0.0, seed: int = 0, bins: int = BINS):
    """Make light curves of trapezoid transits without limb darkening, and their depths."""
    generator = torch.Generator().manual_seed(seed)
    white = 0.002 + 0.01 * torch.rand(count, 1, generator=generator)
    bumps = torch.randn(count, 6, generator=generator).repeat_interleave(47, dim=1)
    fgs = torch.randn(count, 1, generator=generator)
    depths = white + 2e-4 * torch.cat((fgs, bumps), dim=1)
    t = torch.linspace(-1, 1, bins)
    length = 0.35 + 0.1 * torch.rand(count, 1, generator=generator)
    shape = ((length - t.abs()) / 0.05).clamp(-0.5, 0.5) + 0.5
    curves = 1 - shape[..., None] * depths[:, None]
    curves = curves * (1 + drift * (t + 0.5 * t**2))[None, :, None]
    curves += noise * torch.randn(curves.shape, generator=generator)
    return curves[..., 1:], curves[..., :1], torch.zeros(count, 8), depths


@pytest.mark.parametrize("bins", [24, 48, 90])
def test_a_transit_without_noise_is_read_exactly(bins):
    airs, fgs, _, depths = planets(3, bins=bins)
    found = TransitFit()(airs, fgs)
    # The white light's depth is the mean inside; a few bins of ingress make it shallower.
    assert torch.allclose(found.white, depths[:, 1:].mean(dim=1), rtol=0.1)
    ratio = found.channels / found.white[:, None]
    assert torch.allclose(ratio, depths / depths[:, 1:].mean(dim=1, keepdim=True), atol=1e-3)
    assert float(found.errors.max()) < 1e-6
    assert found.shapes.shape == (3, 2, bins)


def test_a_drift_falls_out_and_noise_is_known():
    still, drifting = (
        TransitFit()(*planets(4, drift=drift, noise=1e-4)[:2]) for drift in (0.0, 1e-3)
    )
    assert torch.allclose(still.channels, drifting.channels, rtol=1e-2, atol=2e-5)
    exact = TransitFit()(*planets(4)[:2])
    found = (still.channels - exact.channels).std()
    assert float(still.errors.mean()) == pytest.approx(float(found), rel=0.15)


def test_curves_without_a_transit_break_nothing():
    flat = torch.ones(2, BINS, 282)
    for airs in (flat, flat + 1e-4 * torch.randn(flat.shape), 2 - flat):
        mu, sigma = SpectraNet(width=8, layers=1)(airs, flat[..., :1], torch.zeros(2, 8))
        assert bool(mu.isfinite().all() and (sigma > 0).all() and sigma.isfinite().all())


def test_untrained_it_smooths_what_the_channels_say():
    airs, fgs, star, depths = planets(5, noise=1e-4)
    model = SpectraNet().eval()
    with torch.no_grad():
        mu, sigma = model(airs, fgs, star)
    assert mu.shape == sigma.shape == (5, 283)
    assert bool((sigma > 0).all())
    found = TransitFit()(airs, fgs)
    assert torch.allclose(mu.mean(dim=1), found.white, rtol=0.01)
    assert torch.allclose(mu[:, 0], found.channels[:, 0])
    truth = depths - depths.mean(dim=1, keepdim=True)
    raw, smooth = (
        (x - x.mean(dim=1, keepdim=True) - truth)[:, 1:].std() for x in (found.channels, mu)
    )
    assert float(smooth) < 0.9 * float(raw)
    assert 5e4 < sum(p.numel() for p in model.parameters()) < 2e5


def test_gradients_reach_every_parameter_once_the_last_layers_have_moved():
    airs, fgs, star, depths = planets(3, noise=1e-4)
    torch.manual_seed(0)
    model = SpectraNet(width=8, layers=2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        mu, sigma = model(airs, fgs, star)
        (((mu - depths) / sigma).square() + 2 * sigma.log()).mean().backward()
        optimizer.step()
    assert [n for n, p in model.named_parameters() if not p.grad.abs().sum() > 0] == []


def test_it_learns_what_the_light_curves_do_not_say_by_themselves():
    airs, fgs, star, depths = planets(32, noise=1e-4)
    torch.manual_seed(0)
    model = SpectraNet(width=12, layers=1, dropout=0.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    errors, losses = [], []
    for _ in range(20):
        mu, sigma = model(airs, fgs, star)
        loss = (((mu - depths) / sigma).square() / 2 + (sigma / 1e-4).log()).mean()
        errors.append((mu.detach() - depths).square().mean().sqrt().item())
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert errors[-1] < 0.85 * errors[0]
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.parametrize(
    "make",
    [
        lambda: SpectraNet(kernel=4),
        lambda: SpectraNet()(torch.ones(2, 8, 100), torch.ones(2, 8, 1), torch.ones(2, 8)),
        lambda: SpectraNet()(torch.ones(2, 8, 282), torch.ones(2, 9, 1), torch.ones(2, 8)),
        lambda: SpectraNet()(torch.ones(2, 8, 282), torch.ones(2, 8, 1), torch.ones(2, 3)),
    ],
)
def test_inputs_of_another_shape_are_refused(make):
    with pytest.raises(ConfigError):
        make()
