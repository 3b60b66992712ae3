"""Terms, rules and score of spectra against slow references, and gradients against differences."""

from __future__ import annotations

import inspect
import math
import statistics
from types import SimpleNamespace

import pytest
import torch

from trainer.config.symbolic_rules import RULES
from trainer.engine.losses.outputs import Outputs
from trainer.engine.losses.terms import Term, call
from trainer.engine.targets import locate
from trainer.errors import ConfigError
from trainer.recipes.spectra.bands import BANDS, FGS, WAVELENGTHS, ariel_wavelengths, window
from trainer.recipes.spectra.forward import SpectraPass
from trainer.recipes.spectra.rules import GravitationalLensing, MolecularFingerprint
from trainer.recipes.spectra.score import ChallengeScore
from trainer.recipes.spectra.terms import GLL, Asymmetry

GRID = ariel_wavelengths()


def example(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def outputs(mu, target, sigma=None, **extra) -> Outputs:
    return Outputs(mu, target, extra=({} if sigma is None else {"sigma": sigma}) | extra)


def values(*tensors):
    return zip(*(t.flatten().tolist() for t in tensors), strict=True)


def gradient_is_right(term, *inputs: torch.Tensor) -> bool:
    return torch.autograd.gradcheck(
        lambda *xs: term(outputs(xs[0], inputs[1], *xs[1:])),
        (inputs[0].clone().requires_grad_(), *(x.clone().requires_grad_() for x in inputs[2:])),
    )


MU, TARGET = example(2, 12), example(2, 12, seed=1)
SIGMA = example(2, 12, seed=2).abs() + 0.1


@pytest.mark.parametrize("floor", [1e-3, 0.5])
def test_the_likelihood_is_that_of_the_normal_distribution(floor):
    term = GLL(sigma_floor=floor)
    expected = statistics.fmean(
        -math.log(statistics.NormalDist(m, math.hypot(s, floor)).pdf(y))
        for m, y, s in values(MU, TARGET, SIGMA)
    )
    assert float(term(outputs(MU, TARGET, SIGMA))) == pytest.approx(expected, rel=1e-12)
    assert gradient_is_right(term, MU, TARGET, SIGMA)


def test_a_sigma_of_zero_is_floored_and_can_grow():
    sigma = torch.full_like(MU, 1e-4).requires_grad_()
    value = GLL(sigma_floor=0.1)(outputs(MU, TARGET, sigma))
    value.backward()
    assert math.isfinite(value.detach())
    assert bool((sigma.grad < 0).any())


def short_grid() -> list[float]:
    return [0.705, *(1.95 + 0.05 * i for i in range(40))]


def slow_asymmetry(mu: torch.Tensor, grid: list[float], p: float) -> float:
    rows = []
    for row in mu.tolist():
        windows = []
        for bands in BANDS.values():
            for band in bands:
                a, b = window(band, grid)
                if b > a:
                    part = row[a:b]
                    mirrored = list(reversed(part))
                    windows.append(
                        statistics.fmean(
                            abs(x - y) ** p for x, y in zip(part, mirrored, strict=True)
                        )
                    )
        rows.append(statistics.fmean(windows))
    return statistics.fmean(rows)


@pytest.mark.parametrize("p", [1, 2, 3.5])
def test_asymmetry_compares_windows_with_their_mirror_images(p):
    grid, mu = short_grid(), example(2, 41)
    term = Asymmetry(p=p)
    term.see_data(SimpleNamespace(wavelengths=grid))
    assert float(term(Outputs(mu))) == pytest.approx(slow_asymmetry(mu, grid, p), rel=1e-12)
    assert gradient_is_right(term, mu[:1], None)
    assert float(Asymmetry()(Outputs(torch.ones(2, WAVELENGTHS)))) == 0.0


def test_windows_are_symmetric_and_stay_on_the_detector():
    for bands in BANDS.values():
        for band in bands:
            a, b = window(band, GRID)
            assert (b == a) or (FGS <= a < b <= WAVELENGTHS and (b - a) % 2 == 1)
            if b > a:
                assert abs(GRID[(a + b) // 2] - band.centre) < 0.01
    assert window(BANDS["H2O"][0], GRID) == (0, 0)  # its centre is left of AIRS-CH0


def correlation(a: list[float], b: list[float], floor: float) -> float:
    """Pearson's, with the floor under the first one's deviation."""
    ma, mb = statistics.fmean(a), statistics.fmean(b)
    cov = statistics.fmean((x - ma) * (y - mb) for x, y in zip(a, b, strict=True))
    return cov / math.hypot(statistics.pstdev(a), floor) / statistics.pstdev(b)


def slow_fingerprint(mu, target, grid, term) -> float:
    found = []
    for row, truth in zip(mu.tolist(), target.tolist(), strict=True):
        for bands in BANDS.values():
            shape = [
                sum(b.strength * math.exp(-(((w - b.centre) / b.width) ** 2) / 2) for b in bands)
                for w in grid[1:]
            ]
            c = correlation(row[1:], shape, term.floor)
            if correlation(truth[1:], shape, term.floor) >= term.threshold:
                found.append(term.match_weight * max(term.threshold - c, 0))
            else:
                found.append(term.false_positive_weight * max(c - term.threshold, 0))
    return statistics.fmean(found)


def test_fingerprints_are_looked_for_where_the_target_has_them():
    grid = short_grid()
    term = MolecularFingerprint(2.0, 0.5, threshold=0.1)
    term.see_data(SimpleNamespace(wavelengths=grid))
    mu, target = example(3, 41), example(3, 41, seed=5)
    expected = slow_fingerprint(mu, target, grid, term)
    assert float(term(outputs(mu, target))) == pytest.approx(expected, rel=1e-10)
    assert expected > 0
    assert gradient_is_right(term, mu[:1], target[:1])
    assert float(term(outputs(target, target))) == 0.0


def water(depth: float) -> torch.Tensor:
    from trainer.recipes.spectra.bands import template

    return 100 + depth * torch.tensor([template("H2O", GRID)], dtype=torch.float64)


def test_lacking_and_invented_bands_have_weights_of_their_own():
    flat = water(0.0)
    lacking, invented = outputs(flat, water(10.0)), outputs(water(10.0), flat)
    assert float(MolecularFingerprint(match_weight=0)(lacking)) == 0.0
    assert float(MolecularFingerprint(false_positive_weight=0)(lacking)) > 0.05
    assert float(MolecularFingerprint(false_positive_weight=0)(invented)) == 0.0
    assert float(MolecularFingerprint(match_weight=0)(invented)) > 0.05


def test_molecules_may_be_said_to_be_present():
    said = MolecularFingerprint(present=["H2O"], molecules=["H2O", "CO"])
    assert float(said(Outputs(water(0.0)))) == pytest.approx(0.15)  # 0.3 for water, 0 for CO
    absent = MolecularFingerprint(present=[], molecules=["H2O"])
    assert float(absent(Outputs(water(1000.0)))) == pytest.approx(0.7, abs=1e-4)


def slow_lensing(mu, target, bins: int) -> float:
    found = []
    for row, truth in zip(mu.tolist(), target.tolist(), strict=True):
        brighter = [y - m for m, y in zip(row, truth, strict=True)]
        size = len(brighter) // bins
        means = [statistics.fmean(brighter[i * size : (i + 1) * size]) for i in range(bins)]
        common = statistics.fmean(means)
        found.append(max(common, 0) * statistics.fmean(abs(b - common) for b in means))
    return statistics.fmean(found)


def test_lensing_is_achromatic():
    term = GravitationalLensing(bins=4)
    low = MU - 0.5
    assert float(term(outputs(low, TARGET))) == pytest.approx(slow_lensing(low, TARGET, 4))
    assert float(term(outputs(low, TARGET))) > 0
    assert gradient_is_right(term, low, TARGET)
    # As bright at every wavelength, or too dark in whatever colours: no violation.
    assert float(term(outputs(TARGET - 2, TARGET))) == pytest.approx(0, abs=1e-12)
    assert float(term(outputs(TARGET + MU.abs(), TARGET))) == 0.0


def test_the_score_by_hand():
    # Two planets of two wavelengths; naive: mean 0, sigma 1; ideal: sigma 0.01.
    target = torch.tensor([[1.0, -1.0], [1.0, -1.0]], dtype=torch.float64)
    naive = -0.5 - 0.5 * math.log(2 * math.pi)
    ideal = -math.log(0.01) - 0.5 * math.log(2 * math.pi)
    mu = torch.tensor([[1.1, -1.0], [1.0, -0.8]], dtype=torch.float64)
    sigma = torch.full_like(mu, 0.1)
    own = (-0.5 * (1 + 0 + 0 + 4) / 4) - math.log(0.1) - 0.5 * math.log(2 * math.pi)
    expected = (own - naive) / (ideal - naive)  # (-0.625 + 2.3026 + 0.5) / (4.6052 + 0.5) = 0.4265
    assert expected == pytest.approx(0.4265, abs=1e-4)

    score = ChallengeScore(sigma_true=0.01)
    score.see_data(SimpleNamespace(naive_mean=0.0, naive_sigma=1.0))
    whole = score.finish(call(score, outputs(mu, target, sigma), "eval_loss.score"))
    assert float(whole) == pytest.approx(expected)
    # In another unit, and over batches, it is the same number.
    parts = [
        score(outputs(m / 1e-4, t / 1e-4, s / 1e-4, unit=1e-4))
        for m, t, s in zip(mu.split(1), target.split(1), sigma.split(1), strict=True)
    ]
    assert float(score.finish(torch.stack(parts).mean(dim=0))) == pytest.approx(expected)


def test_the_score_lies_between_the_naive_and_the_ideal_model():
    score = ChallengeScore(sigma_true=0.01, naive_mean=0.0, naive_sigma=1.0)

    def of(mu, sigma) -> float:
        return float(score.finish(score(outputs(mu, TARGET, torch.full_like(MU, sigma)))))

    assert of(torch.zeros_like(MU), 1.0) == pytest.approx(0.0)
    assert of(TARGET, 0.01) == pytest.approx(1.0)
    assert of(TARGET, 0.02) < 1.0
    assert of(MU, 1e-6) == 0.0  # sure and wrong
    with pytest.raises(ConfigError, match="naive_mean"):
        ChallengeScore()(outputs(MU, TARGET, SIGMA))


@pytest.mark.parametrize("name", RULES)
def test_the_table_of_rules_knows_the_classes(name):
    row = RULES[name]
    assert row.keywords == tuple(inspect.signature(locate(row.target, Term)).parameters)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GLL(sigma_floor=0.0),
        lambda: GLL()(Outputs(MU, TARGET)),
        lambda: GLL()(outputs(MU, None, SIGMA)),
        lambda: GLL()(outputs(MU, TARGET[:1], SIGMA)),
        lambda: Asymmetry(p=0.5),
        lambda: Asymmetry(molecules=["H20"]),
        lambda: Asymmetry()(Outputs(MU)),
        lambda: Asymmetry(molecules=[]),
        lambda: MolecularFingerprint(threshold=1.0),
        lambda: MolecularFingerprint(match_weight=-1.0),
        lambda: MolecularFingerprint(present=["O3"]),
        lambda: MolecularFingerprint()(Outputs(example(1, WAVELENGTHS))),
        lambda: GravitationalLensing(bins=1),
        lambda: GravitationalLensing(bins=13)(outputs(MU, TARGET)),
        lambda: GravitationalLensing()(Outputs(MU)),
        lambda: ChallengeScore(sigma_true=0.0),
        lambda: SpectraPass(unit_ppm=0.0),
        lambda: SpectraPass()(torch.nn.Identity(), {"airs": MU}),
    ],
)
def test_what_makes_no_sense_is_refused(make):
    with pytest.raises(ConfigError):
        make()


def test_terms_see_depths_in_the_unit_that_is_asked_for():
    def model(airs, fgs, star):
        return airs.mean(dim=1), star

    batch = {"airs": MU[:, None], "fgs": MU, "star": SIGMA, "target": TARGET}
    seen = SpectraPass(unit_ppm=10.0)(model, batch)
    assert torch.allclose(seen.prediction, MU / 1e-5)
    assert torch.allclose(seen.target, TARGET / 1e-5)
    assert torch.allclose(seen.extra["sigma"], SIGMA / 1e-5)
