//! The steps of a decision, for `explain`. Costs nothing where nobody asked.

use crate::decision::{Denial, ExplainStep};

/// Collects steps, if any are wanted.
pub(super) struct ExplainLog(Option<Vec<ExplainStep>>);

impl ExplainLog {
    pub(super) fn new(wanted: bool) -> Self {
        Self(wanted.then(Vec::new))
    }

    /// Notes a step that was in order.
    pub(super) fn pass(&mut self, name: &'static str, detail: impl FnOnce() -> String) {
        if let Some(steps) = &mut self.0 {
            steps.push(ExplainStep { name, passed: true, detail: detail() });
        }
    }

    /// Notes the step that ended the line, and hands its denial on.
    pub(super) fn fail(&mut self, name: &'static str, denial: Denial) -> Denial {
        let detail = denial.message.clone().into_owned();
        self.fail_with_detail(name, denial, || detail)
    }

    /// The same, telling `explain` more than the caller is told.
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
