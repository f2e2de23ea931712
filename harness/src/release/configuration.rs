//! The operator's configuration: the release's default, the harness's deviations, the scenario's wishes.

use serde_json::{Map, Value, json};

/// The configuration that the operator gets. Later layers win.
pub(super) fn layered(release: Value, scenario: &Map<String, Value>) -> Value {
    let mut merged = release;
    merge(&mut merged, &deviations());
    merge(&mut merged, &Value::Object(scenario.clone()));
    merged
}

/// All that the harness sets otherwise than the release does, where the scenario says nothing: how often the
/// operator looks whether its resources are ready, and how long it waits for a pod that is gone. It changes when a result is
/// seen, never which.
///
/// Of two changes of a pod that come at once the operator hears the first only (`processPodEvent` drops what nobody waits for
/// in that moment), and the API server tells of a pod's end twice: without this the operator would do nothing for a cluster
/// of the same name for ten minutes.
fn deviations() -> Value {
    json!({ "timeouts": {
        "resource_check_interval": "1s", "ready_wait_interval": "1s", "pod_deletion_wait_timeout": "20s",
    } })
}

/// Lays `over` upon `base`: objects merge key by key, everything else (lists too) is replaced.
pub fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                match base.get_mut(key) {
                    Some(present) => merge(present, value),
                    None => {
                        base.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (base, over) => *base = over.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_wins_over_deviations_which_win_over_the_release() {
        let release = json!({
            "workers": 8,
            "timeouts": { "resource_check_interval": "3s", "ready_wait_interval": "4s", "pod_label_wait_timeout": "10m" }
        });
        let scenario = json!({ "timeouts": { "resource_check_interval": "2s" } });
        let merged = layered(release, scenario.as_object().unwrap());
        assert_eq!(
            merged,
            json!({
                "workers": 8,
                "timeouts": {
                    "resource_check_interval": "2s", "ready_wait_interval": "1s", "pod_label_wait_timeout": "10m",
                    "pod_deletion_wait_timeout": "20s",
                }
            })
        );
    }

    #[test]
    fn lists_are_replaced_not_joined() {
        let scenario = json!({ "teams_api": { "protected_role_names": ["cron_admin"] } });
        let merged = layered(
            json!({ "teams_api": { "protected_role_names": ["admin", "cron_admin"] } }),
            scenario.as_object().unwrap(),
        );
        assert_eq!(merged["teams_api"]["protected_role_names"], json!(["cron_admin"]));
    }
}
