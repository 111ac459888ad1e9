//! Prompt files that users can replace.

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;

use crate::provider::ChatPrompt;
use crate::{Error, Result};

/// Header lines of the parts of a template. Each part is a template with that name.
const SYSTEM: &str = "[system]";
const USER: &str = "[user]";
/// Name of the part above the headers: comments.
const HEAD: &str = "[head]";

/// A prompt with names that each request fills in.
pub(super) struct Template {
    environment: Environment<'static>,
    /// The name of the file, for messages.
    file: String,
}

impl Template {
    /// Parses a template. The instructions stand below a line `[system]`, the question below
    /// `[user]`; without these lines the whole text is the question. The template may use only the
    /// names in `example`.
    ///
    /// # Errors
    /// [`Error::BadInput`] if it is not a template, uses other names, or cannot be filled in;
    /// [`Error::BadRow`] if the line is known.
    pub fn parse(source: &str, file: &str, example: &Value) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // Prompts are plain text, whatever the file's extension.
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        let mut template = Self { environment, file: file.to_owned() };
        for (part, text) in parts(source).map_err(|message| template.wrong(message))? {
            let added = template.environment.add_template_owned(part, text);
            added.map_err(|error| template.failed(&error))?;
        }
        template.check(example)?;
        template.fill(example)?;
        Ok(template)
    }

    /// Fills in the prompt of a request.
    ///
    /// # Errors
    /// As [`Template::parse`], if filling in fails.
    pub fn fill(&self, values: &Value) -> Result<ChatPrompt> {
        Ok(ChatPrompt { system: self.render(SYSTEM, values)?, user: self.render(USER, values)? })
    }

    fn render(&self, part: &str, values: &Value) -> Result<String> {
        let values = Serde(values);
        let rendered = self.environment.get_template(part).and_then(|template| template.render(values));
        Ok(rendered.map_err(|error| self.failed(&error))?.trim().to_owned())
    }

    fn check(&self, example: &Value) -> Result<()> {
        let known: Vec<&str> = example.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        for part in [HEAD, SYSTEM, USER] {
            let template = self.environment.get_template(part).map_err(|error| self.failed(&error))?;
            let mut used: Vec<String> = template.undeclared_variables(false).into_iter().collect();
            used.sort_unstable();
            if let Some(name) = used.iter().find(|name| !known.contains(&name.as_str())) {
                return Err(self.wrong(format!("unknown name '{name}' in the prompt; expected {}", known.join(", "))));
            }
        }
        if !self.render(HEAD, example)?.is_empty() {
            return Err(self.wrong(format!("only comments, {{# like this #}}, may stand above {SYSTEM} and {USER}")));
        }
        Ok(())
    }

    fn wrong(&self, message: String) -> Error {
        Error::BadInput { file: self.file.clone(), message }
    }

    fn failed(&self, error: &minijinja::Error) -> Error {
        let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        let message = format!("the prompt's template cannot be filled in: {detail}");
        match error.line() {
            Some(line) => Error::BadRow { file: self.file.clone(), line: line as u64, message },
            None => self.wrong(message),
        }
    }
}

/// Splits a source into its three parts. Each part begins with as many empty lines as stand above
/// it in the file, so that errors have the file's line numbers.
fn parts(source: &str) -> Result<[(&'static str, String); 3], String> {
    let has_headers = source.lines().any(|line| matches!(line.trim(), SYSTEM | USER));
    let mut parts = [(HEAD, String::new()), (SYSTEM, String::new()), (USER, String::new())];
    let mut current = if has_headers { 0 } else { 2 };
    for line in source.lines() {
        let begun = [SYSTEM, USER].iter().position(|header| line.trim() == *header).map(|at| at + 1);
        if let Some(begun) = begun {
            if !parts[begun].1.trim().is_empty() {
                return Err(format!("the line {} stands twice", line.trim()));
            }
            current = begun;
        }
        for (at, (_, text)) in parts.iter_mut().enumerate() {
            if at == current && begun.is_none() {
                text.push_str(line);
            }
            if at == current || text.trim().is_empty() {
                text.push('\n');
            }
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(source: &str) -> Result<Template> {
        Template::parse(source, "mine.txt", &json!({ "query": "q", "texts": ["a", "b"] }))
    }

    #[track_caller]
    fn refused(source: &str) -> String {
        parse(source).err().expect("it is refused").to_string()
    }

    #[test]
    fn a_template_has_instructions_and_a_question() {
        let source = "{# why #}\n\n[system]\nGrade {{ query }}.\n[user]\n{% for text in texts %}{{ loop.index }}: {{ text }}\n{% endfor %}";
        let prompt = parse(source).unwrap().fill(&json!({ "query": "<q>", "texts": ["{{ x }}", "[user]"] })).unwrap();
        assert_eq!(prompt.system, "Grade <q>.");
        assert_eq!(prompt.user, "1: {{ x }}\n2: [user]", "what is filled in is no template");
        let prompt = parse("Only {{ query }}").unwrap().fill(&json!({ "query": "this" })).unwrap();
        assert_eq!((&*prompt.system, &*prompt.user), ("", "Only this"));
    }

    #[test]
    fn what_is_no_template_is_refused_with_its_line() {
        assert!(
            refused("[system]\nx\n[user]\n{{ query").starts_with("mine.txt:4: "),
            "{}",
            refused("[system]\nx\n[user]\n{{ query")
        );
        let error = refused("{{ query }}\n{{ candidat }}");
        assert!(error.contains("unknown name 'candidat'") && error.contains("query, texts"), "{error}");
        assert!(refused("{% if false %}{{ other }}{% endif %}").contains("'other'"), "used or not");
        assert!(refused("Grade!\n[user]\n{{ query }}").contains("only comments"));
        assert!(refused("[user]\n{{ query }}\n[user]\n{{ query }}").contains("stands twice"));
        assert!(refused("{{ query.name }}").contains("mine.txt:1"), "{}", refused("{{ query.name }}"));
    }
}
