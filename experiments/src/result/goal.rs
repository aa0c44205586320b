use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a goal was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Yes.
    Met,
    /// No.
    Missed,
    /// This experiment does not measure it.
    NotMeasured,
}

impl Verdict {
    /// Of something that was measured.
    pub(crate) fn of(met: bool) -> Verdict {
        if met { Verdict::Met } else { Verdict::Missed }
    }
}

/// Something an experiment must show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// What is claimed.
    pub name: String,
    /// In which run.
    pub run: String,
    /// The bound, as text with its unit.
    pub target: String,
    /// What was measured, as text with its unit.
    pub measured: String,
    /// Whether it was reached.
    pub verdict: Verdict,
    /// Why it was missed or could not be measured; how it was measured otherwise.
    pub why: String,
}
