//! SARIF, as code review reads it.

use super::check;

const CLUSTERS: &str = r#"apiVersion: acid.zalan.do/v1
kind: postgresql
metadata: { name: acid-orders }
spec:
  teamId: acid
  numberOfInstances: 1
  volume: { size: 1Gi }
  postgresql: { version: "15" }
  env:
    - { name: AZURE_STORAGE_ACCOUNT, value: prodbackups }
    - { name: AZURE_STORAGE_ACCESS_KEY, value: "the key, in plain text" }
    - { name: WALG_AZ_PREFIX, value: azure://backups/orders }
---
apiVersion: acid.zalan.do/v1
kind: postgresql
metadata: { name: acid-invoices }
spec:
  teamId: acid
  numberOfInstances: 1
  volume: { size: 1Gi }
  postgresql: { version: "15" }
  env:
    - { name: AZURE_STORAGE_ACCOUNT, value: prodbackups }
    - { name: AZURE_STORAGE_ACCESS_KEY, value: "the key, in plain text" }
    - { name: WALG_AZ_PREFIX, value: azure://backups/orders }
"#;

#[test]
fn code_review_gets_rules_places_and_fingerprints_and_no_key() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("my clusters")).unwrap();
    std::fs::write(folder.path().join("my clusters/all.yaml"), CLUSTERS).unwrap();
    let output = check(folder.path(), &["my clusters", "--format", "sarif"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("in plain text\""), "{text}");
    let log: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    let found: Vec<&str> = results.iter().map(|result| result["ruleId"].as_str().unwrap()).collect();
    assert_eq!(found, ["key-in-manifest", "key-in-manifest", "prefix-shared-by-clusters"]);
    let mut fingerprints = Vec::new();
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(rule["help"]["markdown"].as_str().unwrap().contains("## Repair"));
        assert_eq!(result["level"], "error");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "my%20clusters/all.yaml");
        fingerprints.push(result["partialFingerprints"]["clonedrill/v1"].as_str().unwrap());
    }
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 3);
    let shared = &results[2];
    let region = &shared["locations"][0]["physicalLocation"]["region"];
    assert_eq!((&region["startLine"], &region["startColumn"]), (&25.into(), &38.into()));
    assert_eq!((&region["endLine"], &region["endColumn"]), (&25.into(), &60.into()));
    assert_eq!(shared["relatedLocations"][0]["physicalLocation"]["region"]["startLine"], 12);
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
}
