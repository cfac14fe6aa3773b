//! Steps of an evaluation, collected for `explain`. If no explanation was asked for, nothing is formatted or
//! stored.

use crate::decision::{Denial, ExplainStep};

/// Collects the steps if they are wanted.
pub(super) struct ExplainLog(Option<Vec<ExplainStep>>);

impl ExplainLog {
    pub(super) fn new(wanted: bool) -> Self {
        Self(wanted.then(Vec::new))
    }

    /// Records a step that passed.
    pub(super) fn pass(&mut self, name: &'static str, detail: impl FnOnce() -> String) {
        if let Some(steps) = &mut self.0 {
            steps.push(ExplainStep { name, passed: true, detail: detail() });
        }
    }

    /// Records the step that failed, and returns its denial.
    pub(super) fn fail(&mut self, name: &'static str, denial: Denial) -> Denial {
        let detail = denial.message.clone().into_owned();
        self.fail_with_detail(name, denial, || detail)
    }

    /// Records the step that failed with a detail for `explain` that the caller does not see, and returns its
    /// denial.
    pub(super) fn fail_with_detail(
        &mut self,
        name: &'static str,
        denial: Denial,
        detail: impl FnOnce() -> String,
    ) -> Denial {
        if let Some(steps) = &mut self.0 {
            steps.push(ExplainStep { name, passed: false, detail: detail() });
        }
        denial
    }

    pub(super) fn into_steps(self) -> Vec<ExplainStep> {
        self.0.unwrap_or_default()
    }
}
