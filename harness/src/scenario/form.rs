//! The form that each field of a file has, from the JSON Schema that is generated of its types.

use serde_json::{Map, Value};

use crate::yaml;

/// What stands in place of a text that is needed and not known.
const ANY_TEXT: &str = "…";

/// The form of one field.
#[derive(Clone, Copy)]
pub(super) struct Form<'s> {
    root: &'s Value,
    schema: &'s Value,
    /// What the field is for, in its own schema or that of its type.
    description: Option<&'s str>,
}

impl<'s> Form<'s> {
    /// Of the field at a JSON pointer into a file; none where no field may stand.
    pub(super) fn at(root: &'s Value, pointer: &str) -> Option<Self> {
        let whole = Form { root, schema: root, description: None };
        pointer.split('/').skip(1).try_fold(whole, |form, part| form.child(part))
    }

    fn child(self, name: &str) -> Option<Self> {
        let name = yaml::step(name);
        let child = match self.schema.get("items") {
            Some(items) => items,
            None => self.schema.get("properties")?.get(&name)?,
        };
        Some(self.of(child))
    }

    /// Behind references, and behind the choice between a type and nothing.
    fn of(self, schema: &'s Value) -> Self {
        let text = |of: &'s Value| of.get("description").and_then(Value::as_str);
        let (mut schema, mut description) = (schema, text(schema));
        loop {
            let target = schema.get("$ref").and_then(Value::as_str);
            let one = || schema.get("anyOf")?.as_array()?.iter().find(|one| one["type"] != "null");
            let next = target.and_then(|target| self.root.pointer(target.trim_start_matches('#')));
            let Some(next) = next.or_else(one) else { break };
            schema = next;
            description = description.or_else(|| text(schema));
        }
        Form { schema, description, ..self }
    }

    /// `a text such as …`, and what it is for.
    pub(super) fn words(self) -> String {
        let purpose =
            self.description.and_then(|text| text.split_once(". ").map(|(first, _)| first).or(Some(text)));
        let purpose = purpose.map(|text| format!(". {}", text.trim_end_matches('.').replace('\n', " ")));
        format!("expected {}{}", self.kind(), purpose.unwrap_or_default())
    }

    fn kind(self) -> String {
        let choices: Vec<&str> = self.choices().collect();
        if !choices.is_empty() {
            return format!("one of `{}`", choices.join("`, `"));
        }
        match self.of_type() {
            "object" => {
                let (required, other): (Vec<&str>, Vec<&str>) =
                    self.fields().partition(|field| self.required().any(|required| required == *field));
                let named = |fields: &[&str]| format!("`{}`", fields.join("`, `"));
                match (required.is_empty(), other.is_empty()) {
                    (true, true) => "a map".to_owned(),
                    (false, true) => format!("a map with {}", named(&required)),
                    (true, false) => format!("a map that may have {}", named(&other)),
                    (false, false) => {
                        format!("a map with {}, which may have {}", named(&required), named(&other))
                    }
                }
            }
            "array" => match self.schema.get("items") {
                Some(items) => format!("a list, each item of it {}", self.of(items).kind()),
                None => "a list".to_owned(),
            },
            "boolean" => "`true` or `false`".to_owned(),
            "integer" => "a whole number".to_owned(),
            "number" => "a number".to_owned(),
            "string" => match self.examples() {
                examples if examples.is_empty() => "a text".to_owned(),
                examples => format!("a text such as `{}`", examples.join("` or `")),
            },
            _ => "a value".to_owned(),
        }
    }

    /// The shortest value of this form.
    pub(super) fn shortest(self) -> Value {
        if let Some(choice) = self.choices().next() {
            return choice.into();
        }
        match self.of_type() {
            "object" => {
                let field = |name: &'s str| Some((name.to_owned(), self.child(name)?.shortest()));
                Value::Object(self.required().filter_map(field).collect::<Map<_, _>>())
            }
            "array" => Value::Array(Vec::new()),
            "boolean" => false.into(),
            "integer" | "number" => 1.into(),
            "string" => self.examples().first().copied().unwrap_or(ANY_TEXT).into(),
            _ => Value::Null,
        }
    }

    fn of_type(self) -> &'s str {
        let types = match &self.schema["type"] {
            Value::Array(types) => types.iter().find(|one| *one != "null").unwrap_or(&Value::Null),
            one => one,
        };
        types.as_str().unwrap_or_default()
    }

    fn fields(self) -> impl Iterator<Item = &'s str> {
        self.schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str())
    }

    fn required(self) -> impl Iterator<Item = &'s str> {
        self.schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
    }

    fn choices(self) -> impl Iterator<Item = &'s str> {
        let plain = self.schema["enum"].as_array().into_iter().flatten();
        let described = self.schema["oneOf"].as_array().into_iter().flatten().map(|one| &one["const"]);
        plain.chain(described).filter_map(Value::as_str)
    }

    fn examples(self) -> Vec<&'s str> {
        self.schema["examples"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }
}
