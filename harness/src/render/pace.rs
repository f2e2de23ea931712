//! Settings that change only when the operator does something, never what it writes into a StatefulSet.

use serde_json::{Value, json};

use super::form::schema_at;

/// What the operator waits for in a world without database pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    /// For pods that never come: seldom looked at, since each look counts towards its limit of requests.
    ForPods,
    /// For StatefulSets to be gone before it makes them anew.
    ForDeletion,
}

/// Lays the pace over `settings`, whatever they say themselves. `clusters` is how many wait for their pods at once:
/// each keeps one of the operator's workers.
pub(super) fn set(settings: &mut Value, schema: Option<&Value>, clusters: usize, waits: Waits) {
    let (interval, timeout) = match waits {
        Waits::ForPods => ("30s", "10m"),
        Waits::ForDeletion => ("250ms", "60s"),
    };
    let wanted = [
        ("workers", json!(clusters.max(8))),
        ("timeouts/resource_check_interval", json!(interval)),
        ("timeouts/resource_check_timeout", json!(timeout)),
        ("timeouts/ready_wait_interval", json!("100ms")),
        // Nothing is to be looked at again while a world stands.
        ("resync_period", json!("24h")),
        ("repair_period", json!("24h")),
        // The definitions are there, and another operator's beside it shall stay as they are.
        ("enable_crd_registration", json!(false)),
        // A finalizer of an operator that has ended would keep its namespace for ever.
        ("kubernetes/enable_finalizers", json!(false)),
    ];
    let flat = settings["kind"] == "ConfigMap";
    for (path, value) in wanted {
        if flat {
            let key = path.rsplit('/').next().unwrap_or(path);
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            settings["data"][key] = json!(text);
            continue;
        }
        let known =
            schema.is_some_and(|schema| schema_at(schema, &format!("/configuration/{path}")).is_some());
        if known {
            match path.split_once('/') {
                Some((section, key)) => settings["configuration"][section][key] = value,
                None => settings["configuration"][path] = value,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_gets_only_settings_that_it_knows() {
        let schema = json!({ "properties": { "configuration": { "properties": {
            "workers": { "type": "integer" },
            "timeouts": { "properties": { "resource_check_interval": { "type": "string" } } },
        } } } });
        let mut settings =
            json!({ "kind": "OperatorConfiguration", "configuration": { "workers": 1, "etcd_host": "" } });
        set(&mut settings, Some(&schema), 100, Waits::ForPods);
        let expected =
            json!({ "workers": 100, "etcd_host": "", "timeouts": { "resource_check_interval": "30s" } });
        assert_eq!(settings["configuration"], expected);
    }

    #[test]
    fn flat_keys_are_texts() {
        let mut settings = json!({ "kind": "ConfigMap", "data": { "workers": "4" } });
        set(&mut settings, None, 1, Waits::ForDeletion);
        assert_eq!(settings["data"]["workers"], "8");
        assert_eq!(settings["data"]["enable_crd_registration"], "false");
        assert_eq!(settings["data"]["resource_check_interval"], "250ms");
    }
}
