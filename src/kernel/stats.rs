//! Figures for comparing two shares: intervals, an always-valid p that may be looked at any day, the chance that one is better,
//! and whether people were dealt to both sides as meant. Sources: Wilson 1927; Newcombe 1998 (method 10); Johari et al., "Always
//! valid inference" (mSPRT with a normal mixture); Miller 2015 for the closed forms of the Beta posterior.

/// Successes of tries.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Share {
    /// Successes.
    pub hits: u64,
    /// Tries.
    pub of: u64,
}

impl Share {
    /// The share itself; 0 without tries.
    pub fn rate(self) -> f64 {
        if self.of == 0 { 0.0 } else { self.hits as f64 / self.of as f64 }
    }
}

/// 97.5 % of the normal distribution lies below.
const Z95: f64 = 1.959_963_984_540_054;
/// Wilson's interval, 95 %.
pub fn wilson(share: Share) -> (f64, f64) {
    if share.of == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (share.of as f64, share.rate());
    let (middle, half) = (p + Z95 * Z95 / (2.0 * n), Z95 * (p * (1.0 - p) / n + Z95 * Z95 / (4.0 * n * n)).sqrt());
    let scale = 1.0 + Z95 * Z95 / n;
    (((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0))
}

/// Newcombe's interval of `b - a`, 95 %.
pub fn newcombe(a: Share, b: Share) -> (f64, f64) {
    let ((low_a, high_a), (low_b, high_b)) = (wilson(a), wilson(b));
    let (pa, pb) = (a.rate(), b.rate());
    let d = pb - pa;
    (d - ((pb - low_b).powi(2) + (high_a - pa).powi(2)).sqrt(), d + ((high_b - pb).powi(2) + (pa - low_a).powi(2)).sqrt())
}

/// The always-valid p of "both are alike": below 0.05 at any moment one happens to look means a difference with 95 %.
/// `tau`: the size of difference that is looked for, as a share; it decides how soon, not whether the p is valid.
pub fn always_valid_p(a: Share, b: Share, tau: f64) -> f64 {
    if a.of == 0 || b.of == 0 {
        return 1.0;
    }
    let pooled = (a.hits + b.hits) as f64 / (a.of + b.of) as f64;
    let (n, v) = (a.of.min(b.of) as f64, 2.0 * pooled * (1.0 - pooled));
    if v <= 0.0 {
        return 1.0;
    }
    let d = b.rate() - a.rate();
    let log = 0.5 * (v / (v + n * tau * tau)).ln() + n * n * tau * tau * d * d / (2.0 * v * (v + n * tau * tau));
    (-log).exp().min(1.0)
}

/// Natural logarithm of the gamma function (Lanczos, g = 7, nine terms).
fn ln_gamma(x: f64) -> f64 {
    const C: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let t = x + 7.5;
    let sum = C.iter().skip(1).enumerate().fold(C[0], |sum, (at, c)| sum + c / (x + at as f64 + 1.0));
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// The chance that `b` is better than `a`, from even priors.
pub fn chance_b_better(a: Share, b: Share) -> f64 {
    let beta = |share: Share| (share.hits as f64 + 1.0, (share.of - share.hits.min(share.of)) as f64 + 1.0);
    let ((a1, a2), (_, b2)) = (beta(a), beta(b));
    (0..=b.hits)
        .map(|i| {
            let i = i as f64;
            (ln_beta(a1 + i, a2 + b2) - (b2 + i).ln() - ln_beta(1.0 + i, b2) - ln_beta(a1, a2)).exp()
        })
        .sum::<f64>()
        .min(1.0)
}

/// Complementary error function: a series near zero, a continued fraction beyond.
fn erfc(x: f64) -> f64 {
    if x < 2.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            let add = term / f64::from(2 * n + 1);
            sum += add;
            if add.abs() < 1e-17 * sum.abs() {
                break;
            }
        }
        return 1.0 - sum * 2.0 / std::f64::consts::PI.sqrt();
    }
    let tail = (1..=120).rev().fold(0.0, |tail, k| f64::from(k) / 2.0 / (x + tail));
    (-x * x).exp() / ((x + tail) * std::f64::consts::PI.sqrt())
}

/// The p of "people were dealt to both sides half and half": below 0.001 something is wrong with the dealing and no verdict counts.
pub fn dealt_evenly_p(a: u64, b: u64) -> f64 {
    let half = (a + b) as f64 / 2.0;
    if half == 0.0 {
        return 1.0;
    }
    let chi2 = 2.0 * (a as f64 - half).powi(2) / half;
    erfc((chi2 / 2.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-6 * want.abs().max(1e-9), "{got} is not {want}");
    }

    /// Figures made with scipy and statsmodels.
    #[test]
    fn figures_are_those_of_the_reference() {
        let (a, b) = (Share { hits: 541, of: 6569 }, Share { hits: 672, of: 8314 });
        close(wilson(a).0, 0.075_950_174_808_412_42);
        close(wilson(a).1, 0.089_251_049_901_412_98);
        close(newcombe(a, b).0, -0.010_453_797_517_915_853);
        close(newcombe(a, b).1, 0.007_285_591_656_759_611);
        close(chance_b_better(a, b), 0.366_096_305_504_209_13);
        close(always_valid_p(a, b, 0.01), 1.0);
        close(always_valid_p(Share { hits: 627, of: 2977 }, Share { hits: 606, of: 3799 }, 0.01), 0.002_068_486_329_673_552_3);
        close(always_valid_p(Share { hits: 162, of: 822 }, Share { hits: 343, of: 1110 }, 0.01), 0.106_029_536_801_789_16);
        close(chance_b_better(Share { hits: 0, of: 14 }, Share { hits: 0, of: 11 }), 0.555_555_555_555_555_8);
        close(dealt_evenly_p(3291, 3180), 0.167_627_549_509_986_32);
        assert!((dealt_evenly_p(4390, 4993) / 4.812_436_047_991_837e-10 - 1.0).abs() < 1e-6);
    }
}
