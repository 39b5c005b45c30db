//! Texts with variables.

use super::Build;
use crate::config::{error::Reason, value::At, variable::Template};

impl Build<'_> {
    pub(super) fn template(&mut self, text: &At<String>) -> Option<Template> {
        let template = Template::parse(&text.value, self.pattern);
        let template = template.map_err(|error| self.faults.add(text.place, error)).ok()?;
        self.headers.extend(template.headers().cloned());
        if let Some(name) = template.never_known(text.place.key) {
            self.faults.warn(text.place, Reason::NeverKnown(name.to_owned()));
        }
        Some(template)
    }

    pub(super) fn templates(&mut self, texts: Option<&At<Vec<At<String>>>>) -> Vec<Template> {
        let texts = texts.into_iter().flat_map(|texts| &texts.value);
        texts.filter_map(|text| self.template(text)).collect()
    }
}
