//! Texts with `{name}` in them.

use krige_core::trial::TrialRun;
use krige_core::value::Parameterization;

use super::script::ProgramError;

/// What a template may name: the parameters, and the run itself.
pub(super) struct Names<'a> {
    pub(super) parameters: &'a Parameterization,
    pub(super) run: Vec<(&'static str, String)>,
}

impl<'a> Names<'a> {
    pub(super) fn new(
        run: &TrialRun,
        parameters: &'a Parameterization,
        folder: &str,
        slot: Option<&str>,
    ) -> Self {
        let mut names = vec![
            ("key", run.key.clone()),
            ("trial", run.trial_index.to_string()),
            ("attempt", run.attempt.to_string()),
            ("folder", folder.to_owned()),
            ("parameters", format!("{folder}/parameters.json")),
        ];
        names.extend(slot.map(|slot| ("slot", slot.to_owned())));
        Self { parameters, run: names }
    }

    /// Replaces every `{name}`.
    pub(super) fn render(&self, template: &str) -> Result<String, ProgramError> {
        let malformed = || ProgramError::Brace { text: template.to_owned() };
        let mut text = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                text.push_str(brace);
                rest = after;
            } else if brace == "{" {
                let (name, after) = rest.split_once('}').ok_or_else(malformed)?;
                text.push_str(&self.value(name, template)?);
                rest = after;
            } else {
                return Err(malformed());
            }
        }
        text.push_str(rest);
        Ok(text)
    }

    fn value(&self, name: &str, template: &str) -> Result<String, ProgramError> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.to_string());
        }
        let of_run = name.strip_prefix("krige.");
        let found = self.run.iter().find(|(known, _)| of_run == Some(known));
        found.map(|(_, value)| value.clone()).ok_or_else(|| ProgramError::Unknown {
            name: name.to_owned(),
            text: template.to_owned(),
            known: self
                .parameters
                .iter()
                .map(|(name, _)| name.to_owned())
                .chain(self.run.iter().map(|(name, _)| format!("krige.{name}")))
                .collect(),
        })
    }
}
