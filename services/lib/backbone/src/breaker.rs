//! The breaker of a lane: when too much of what is read is rejected, the fault is not in the inputs.
//!
//! A run of rejects with nothing accepted between them, or more than half of the latest inputs rejected, stops the
//! lane. What was rejected until then is parked, with its bytes; the rest stays in its topics. A person resumes the
//! lane.

/// When a lane stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Rejects in a row.
    pub run_max: u64,
    /// Percent of the latest inputs.
    pub percent_max: u64,
    /// Inputs to be seen before the ratio counts.
    pub inputs_min: u64,
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self { run_max: 200, percent_max: 50, inputs_min: 400 }
    }
}

/// What was accepted and rejected lately.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Breaker {
    run: u64,
    inputs: u64,
    rejects: u64,
}

impl Breaker {
    /// Counts a batch. Says why the lane is to stop, when it is.
    pub(crate) fn count(&mut self, limits: &BreakerLimits, accepted: u64, rejected: u64) -> Option<String> {
        self.run = if accepted > 0 { 0 } else { self.run + rejected };
        self.inputs += accepted + rejected;
        self.rejects += rejected;
        if self.inputs >= 2 * limits.inputs_min {
            // Half of what was is forgotten, so that the ratio is that of the latest inputs.
            (self.inputs, self.rejects) = (self.inputs / 2, self.rejects / 2);
        }
        if self.run >= limits.run_max {
            return Some(format!("{} inputs in a row were rejected", self.run));
        }
        let is_too_many = self.rejects * 100 > self.inputs * limits.percent_max;
        (self.inputs >= limits.inputs_min && is_too_many)
            .then(|| format!("{} of the latest {} inputs were rejected", self.rejects, self.inputs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BreakerLimits = BreakerLimits { run_max: 10, percent_max: 50, inputs_min: 20 };

    /// Batches of (accepted, rejected), and which of them stops the lane.
    #[track_caller]
    fn check(batches: &[(u64, u64)], stops: Option<usize>) {
        let mut breaker = Breaker::default();
        let stopped = batches
            .iter()
            .position(|(accepted, rejected)| breaker.count(&LIMITS, *accepted, *rejected).is_some());
        assert_eq!(stopped, stops);
    }

    #[test]
    fn some_rejects_among_many_inputs_stop_nothing() {
        check(&[(9, 1), (0, 9), (9, 0), (0, 5), (30, 2)], None);
    }

    #[test]
    fn a_run_of_rejects_stops_the_lane_however_small_the_batches_are() {
        check(&[(50, 0), (0, 4), (0, 4), (0, 2)], Some(3));
    }

    #[test]
    fn more_than_half_rejected_stops_the_lane_once_there_is_enough_to_tell() {
        check(&[(1, 2), (1, 2), (1, 2), (1, 2), (1, 2), (1, 2), (1, 2)], Some(6));
    }

    #[test]
    fn what_was_long_ago_does_not_count() {
        let good: Vec<(u64, u64)> = vec![(30, 0); 20];
        let bad: Vec<(u64, u64)> = vec![(1, 5); 12];
        let all: Vec<(u64, u64)> = good.into_iter().chain(bad).collect();
        let mut breaker = Breaker::default();
        let stopped =
            all.iter().any(|(accepted, rejected)| breaker.count(&LIMITS, *accepted, *rejected).is_some());
        assert!(stopped);
    }
}
