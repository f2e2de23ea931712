//! Which fields an object of the operator's may have, by the schemas of its release.

use serde_json::Value;

use super::Release;

impl Release {
    /// The names that the release knows beside the last part of `field` (`spec.env[0].nme`) in an object of this kind;
    /// none where the schema leaves them open.
    pub fn fields_beside(&self, kind: &str, field: &str) -> Vec<String> {
        let crds = self.crds();
        let crd = crds.iter().find(|crd| crd["spec"]["names"]["kind"] == kind);
        let schema = crd.map(|crd| &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]);
        schema.map(|schema| beside(schema, field)).unwrap_or_default()
    }
}

fn beside(schema: &Value, field: &str) -> Vec<String> {
    let parts: Vec<&str> = field.split(['.', '[', ']']).filter(|part| !part.is_empty()).collect();
    let Some((_, parents)) = parts.split_last() else { return Vec::new() };
    let inside = parents.iter().fold(schema, |schema, part| match part.parse::<usize>() {
        Ok(_) => &schema["items"],
        Err(_) => &schema["properties"][*part],
    });
    let names = inside["properties"].as_object();
    names.map(|names| names.keys().cloned().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::beside;

    #[test]
    fn the_fields_of_the_same_object_are_found_also_in_lists() {
        let container = json!({ "properties": { "name": {}, "image": {} } });
        let schema = json!({ "properties": { "spec": { "properties": {
            "teamId": {}, "sidecars": { "items": container }
        } } } });
        assert_eq!(beside(&schema, "spec.teamID"), ["teamId", "sidecars"]);
        assert_eq!(beside(&schema, "spec.sidecars[0].nmae"), ["name", "image"]);
        assert!(beside(&schema, "spec.env[0].nme").is_empty());
    }
}
