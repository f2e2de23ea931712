//! The variables by which a pod finds the services of its namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;

use super::ApiServerAddress;

/// `<NAME>_SERVICE_HOST`, `<NAME>_PORT_5432_TCP_ADDR` and the like; those of `kubernetes` lead to the API server.
pub(super) fn variables(
    services: &[Arc<Service>],
    api_server: &ApiServerAddress,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for service in services {
        let Some(spec) = &service.spec else { continue };
        // Headless services have no address to name.
        let Some(address) = spec.cluster_ip.as_deref().filter(|ip| !ip.is_empty() && *ip != "None") else {
            continue;
        };
        let ports: Vec<Port<'_>> = spec
            .ports
            .iter()
            .flatten()
            .map(|port| Port {
                name: port.name.as_deref().unwrap_or_default(),
                number: port.port,
                protocol: port.protocol.as_deref().unwrap_or("TCP"),
            })
            .collect();
        add(&mut all, service.metadata.name.as_deref().unwrap_or_default(), address, &ports);
    }
    let port = Port { name: "https", number: i32::from(api_server.port), protocol: "TCP" };
    add(&mut all, "kubernetes", &api_server.host, &[port]);
    all
}

struct Port<'a> {
    name: &'a str,
    number: i32,
    protocol: &'a str,
}

fn add(all: &mut BTreeMap<String, String>, service: &str, address: &str, ports: &[Port<'_>]) {
    let name = upper(service);
    let Some(first) = ports.first() else { return };
    all.insert(format!("{name}_SERVICE_HOST"), address.to_owned());
    all.insert(format!("{name}_SERVICE_PORT"), first.number.to_string());
    let url = |port: &Port<'_>| format!("{}://{address}:{}", port.protocol.to_lowercase(), port.number);
    all.insert(format!("{name}_PORT"), url(first));
    for port in ports {
        if !port.name.is_empty() {
            all.insert(format!("{name}_SERVICE_PORT_{}", upper(port.name)), port.number.to_string());
        }
        let prefix = format!("{name}_PORT_{}_{}", port.number, port.protocol.to_uppercase());
        all.insert(format!("{prefix}_PROTO"), port.protocol.to_lowercase());
        all.insert(format!("{prefix}_PORT"), port.number.to_string());
        all.insert(format!("{prefix}_ADDR"), address.to_owned());
        all.insert(prefix, url(port));
    }
}

fn upper(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}
