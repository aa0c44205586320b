use nearcast_machine::{Rng, Seed, Span, Time};
use rand::Rng as _;

/// How many times the jitter's amplitude lies between two knots. The delay moves by at most twice
/// the amplitude from knot to knot, so with 4 it never changes faster than half as fast as time
/// passes.
const KNOT_SPACING: u64 = 4;

/// The weather of a path: a delay offset that wanders between zero and twice the amplitude.
///
/// A fresh draw for each packet would either reorder packets or, clamped to first-in first-out,
/// hold every packet behind the slowest of its recent forerunners: at a thousand packets per second
/// the "jitter" is then a constant extra delay near its maximum with bursts behind it. So the
/// offset is a function of *time* instead: drawn uniformly at knots four amplitudes apart and
/// linear between them. Its slope stays within ±1/2, and a packet that leaves later therefore
/// always arrives later, spaced by half to one and a half times its original distance. Packets
/// further apart than a knot's spacing (a ping train) see independent offsets; the mean is the
/// amplitude, the standard deviation sqrt(2)/3 = 0.471 of it, the bounds exact.
///
/// Knot `k` is the `k`-th number of the generator, whatever the traffic: the same seed gives the
/// same weather to every run, and a quiet hour costs nothing to skip.
#[derive(Debug)]
pub(super) struct Jitter {
    seed: Rng,
    knots: Option<Knots>,
}

/// The stretch between two knots that was asked for last.
#[derive(Debug)]
struct Knots {
    amplitude: u64,
    index: u64,
    from: f64,
    to: f64,
}

impl Jitter {
    pub(super) fn new(seed: Seed) -> Jitter {
        Jitter { seed: seed.rng(), knots: None }
    }

    /// The offset at `now`, between zero and twice `amplitude`.
    pub(super) fn offset(&mut self, now: Time, amplitude: Span) -> Span {
        let amplitude = amplitude.as_nanos();
        if amplitude == 0 {
            return Span::ZERO;
        }
        let spacing = amplitude.saturating_mul(KNOT_SPACING);
        let (index, within) = (now.as_nanos() / spacing, now.as_nanos() % spacing);
        let current = self
            .knots
            .take()
            .filter(|knots| knots.amplitude == amplitude && knots.index == index)
            .unwrap_or_else(|| Knots {
                amplitude,
                index,
                from: self.knot(index),
                to: self.knot(index + 1),
            });
        let share = current.from + (current.to - current.from) * (within as f64 / spacing as f64);
        self.knots = Some(current);
        Span::from_nanos((share * 2.0 * amplitude as f64) as u64)
    }

    fn knot(&self, index: u64) -> f64 {
        let mut rng = self.seed.clone();
        rng.advance(u128::from(index));
        rng.random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_bounded_centred_and_never_steeper_than_a_half() {
        let amplitude = Span::from_millis(2);
        let mut jitter = Jitter::new(Seed::new(1));
        let step = Span::from_micros(100);
        let (mut now, mut before) = (Time::ZERO, None);
        let (mut sum, mut squares) = (0.0, 0.0);
        const SAMPLES: u32 = 1_000_000;
        for _ in 0..SAMPLES {
            let offset = jitter.offset(now, amplitude);
            assert!(offset <= amplitude * 2);
            if let Some(before) = before {
                let change = offset.as_nanos().abs_diff(before);
                assert!(change <= step.as_nanos() / 2 + 1, "{change} ns in {step}");
            }
            before = Some(offset.as_nanos());
            sum += offset.as_millis_f64();
            squares += offset.as_millis_f64().powi(2);
            now += step;
        }
        let mean = sum / f64::from(SAMPLES);
        let deviation = (squares / f64::from(SAMPLES) - mean * mean).sqrt();
        // 100 s are 12,500 independent knots: the mean's standard error is 0.011 ms.
        assert!((mean - 2.0).abs() < 0.04, "{mean}");
        assert!((deviation - 2.0 * 2f64.sqrt() / 3.0).abs() < 0.03, "{deviation}");
    }

    #[test]
    fn the_weather_does_not_depend_on_who_looks() {
        let amplitude = Span::from_millis(1);
        let (mut often, mut once) = (Jitter::new(Seed::new(3)), Jitter::new(Seed::new(3)));
        let late = Time::from_nanos(3_600_000_000_123);
        for millis in 0..500 {
            often.offset(Time::ZERO + Span::from_millis(millis), amplitude);
        }
        assert_eq!(often.offset(late, amplitude), once.offset(late, amplitude));
    }
}
