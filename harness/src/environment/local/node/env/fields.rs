//! The downward API: fields of the pod and resources of its containers, as text.

use k8s_openapi::api::core::v1::{Pod, ResourceFieldSelector};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::super::NODE_NAME;
use super::super::network::GATEWAY;

/// The value of `path`; `None` where no such field can be asked for. An unset label is empty.
pub(in super::super) fn field(pod: &Pod, pod_ip: Option<&str>, path: &str) -> Option<String> {
    let (metadata, spec) = (&pod.metadata, pod.spec.as_ref());
    if let Some(key) = subscript(path, "metadata.labels") {
        return Some(metadata.labels.as_ref().and_then(|all| all.get(key).cloned()).unwrap_or_default());
    }
    if let Some(key) = subscript(path, "metadata.annotations") {
        return Some(metadata.annotations.as_ref().and_then(|all| all.get(key).cloned()).unwrap_or_default());
    }
    match path {
        "metadata.name" => metadata.name.clone(),
        "metadata.namespace" => metadata.namespace.clone(),
        "metadata.uid" => metadata.uid.clone(),
        "metadata.labels" => Some(lines(metadata.labels.as_ref())),
        "metadata.annotations" => Some(lines(metadata.annotations.as_ref())),
        "spec.nodeName" => Some(NODE_NAME.to_owned()),
        "spec.serviceAccountName" => {
            Some(spec.and_then(|spec| spec.service_account_name.clone()).unwrap_or_default())
        }
        "status.podIP" | "status.podIPs" => Some(pod_ip.unwrap_or_default().to_owned()),
        "status.hostIP" | "status.hostIPs" => Some(GATEWAY.to_string()),
        _ => None,
    }
}

fn subscript<'a>(path: &'a str, of: &str) -> Option<&'a str> {
    path.strip_prefix(of)?.strip_prefix("['")?.strip_suffix("']")
}

/// `key="value"` lines, as they stand in a file of the downward API.
fn lines(all: Option<&std::collections::BTreeMap<String, String>>) -> String {
    let lines: Vec<_> = all.into_iter().flatten().map(|(key, value)| format!("{key}={value:?}")).collect();
    lines.join("\n")
}

/// A limit or request in units of the divisor, rounded up as Kubernetes does.
pub(in super::super) fn resource(pod: &Pod, container: &str, from: &ResourceFieldSelector) -> Option<String> {
    let container = from.container_name.as_deref().unwrap_or(container);
    let spec = pod.spec.as_ref()?;
    let mut all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let container = all.find(|one| one.name == container)?;
    let resources = container.resources.as_ref();
    let (kind, name) = from.resource.split_once('.')?;
    let limits = resources.and_then(|resources| resources.limits.as_ref()?.get(name));
    let amount = match kind {
        // No limit means what the machine has.
        "limits" => limits.and_then(amount).or_else(|| of_machine(name)),
        "requests" => resources
            .and_then(|resources| resources.requests.as_ref()?.get(name))
            .and_then(amount)
            .or(Some(0.0)),
        _ => None,
    }?;
    let divisor = from.divisor.as_ref().and_then(amount_of_divisor).unwrap_or(1.0);
    Some(format!("{:.0}", (amount / divisor).ceil()))
}

fn amount_of_divisor(quantity: &Quantity) -> Option<f64> {
    amount(quantity).filter(|divisor| *divisor > 0.0)
}

fn of_machine(name: &str) -> Option<f64> {
    match name {
        "cpu" => std::thread::available_parallelism().ok().map(|count| count.get() as f64),
        "memory" => std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
            line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kib| kib * 1024.0)
        }),
        _ => Some(0.0),
    }
}

/// The number that a quantity such as `250Mi` or `100m` stands for.
fn amount(quantity: &Quantity) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 15] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    let text = quantity.0.as_str();
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let (suffix, factor) = SUFFIXES.iter().find(|(suffix, _)| text.ends_with(suffix))?;
    text.strip_suffix(suffix)?.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Pod {
        serde_json::from_value(serde_json::json!({
            "metadata": { "name": "db-0", "namespace": "ns", "labels": { "app.io/x": "y", "b": "a\"b" } },
            "spec": { "serviceAccountName": "sa", "containers": [{ "name": "db", "resources": {
                "limits": { "memory": "500Mi", "cpu": "1500m" }, "requests": { "cpu": "100m" } } }] },
        }))
        .unwrap()
    }

    #[test]
    fn fields_of_the_pod_are_found() {
        let value = |path| field(&pod(), Some("10.244.1.1"), path);
        assert_eq!(value("metadata.name").unwrap(), "db-0");
        assert_eq!(value("metadata.labels['app.io/x']").unwrap(), "y");
        assert_eq!(value("metadata.annotations['none']").unwrap(), "");
        assert_eq!(value("metadata.labels").unwrap(), "app.io/x=\"y\"\nb=\"a\\\"b\"");
        assert_eq!(value("status.podIP").unwrap(), "10.244.1.1");
        assert_eq!(value("spec.nodeName").unwrap(), NODE_NAME);
        assert_eq!(value("spec.serviceAccountName").unwrap(), "sa");
        assert_eq!(value("status.phase"), None);
    }

    #[test]
    fn resources_are_divided_and_rounded_up() {
        let value = |resource: &str, divisor: Option<&str>| {
            let divisor = divisor.map(|divisor| Quantity(divisor.to_owned()));
            let from = ResourceFieldSelector { container_name: None, divisor, resource: resource.to_owned() };
            super::resource(&pod(), "db", &from)
        };
        assert_eq!(value("limits.memory", None).unwrap(), "524288000");
        assert_eq!(value("limits.memory", Some("1Mi")).unwrap(), "500");
        assert_eq!(value("limits.cpu", None).unwrap(), "2");
        assert_eq!(value("requests.cpu", Some("1m")).unwrap(), "100");
        assert_eq!(value("requests.memory", Some("0")).unwrap(), "0");
        assert_eq!(value("memory", None), None);
    }
}
