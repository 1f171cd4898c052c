//! Texts with `{{name}}` for what differs from one request to the next.

/// A template, read once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// An index into the values.
    Value(usize),
}

impl Template {
    /// Reads a template. `names` are those that have a value when it is written.
    pub(crate) fn parse(text: &str, names: &[String]) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after
                .split_once("}}")
                .ok_or_else(|| format!("{{{{ without }}}} in {text}"))?;
            let index = names
                .iter()
                .position(|known| known == name)
                .ok_or_else(|| format!("{{{{{name}}}}} has no value in {text}"))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.into()));
            }
            parts.push(Part::Value(index));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Self { parts })
    }

    /// Writes the text with these values.
    pub(crate) fn write(&self, values: &[String]) -> String {
        let mut text = String::new();
        for part in &self.parts {
            text.push_str(match part {
                Part::Text(part) => part,
                Part::Value(index) => values.get(*index).map_or("", String::as_str),
            });
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_their_names_stood() {
        let names = ["n".to_owned(), "id".to_owned()];
        let values = ["7".to_owned(), "tok_1".to_owned()];
        for (template, text) in [
            ("", ""),
            ("{{n}}", "7"),
            (r#"{"token":"{{id}}","n":{{n}}}"#, r#"{"token":"tok_1","n":7}"#),
            ("{{id}}{{id}}-{{n}}-", "tok_1tok_1-7-"),
            (r#"{"a":{"b":1}}"#, r#"{"a":{"b":1}}"#),
        ] {
            assert_eq!(
                Template::parse(template, &names).unwrap().write(&values),
                text,
                "{template}"
            );
        }
    }

    #[test]
    fn a_name_without_a_value_is_refused() {
        let names = ["n".to_owned()];
        assert!(Template::parse("{{m}}", &names).unwrap_err().contains("{{m}}"));
        assert!(Template::parse("a {{n", &names).is_err());
    }
}
