use kube::runtime::reflector;
use kube::runtime::watcher::Event;
use serde_json::json;

use super::*;

const POD: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 1, 7));
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 244, 254, 1);

fn zones() -> Zones {
    let (endpoints, mut writer) = reflector::store();
    let object = json!({
        "metadata": { "name": "acid-orders", "namespace": "drill-1" },
        "subsets": [{ "addresses": [
            { "ip": "10.244.1.7", "hostname": "acid-orders-0" },
            { "ip": "10.244.1.8", "hostname": "acid-orders-1" },
        ]}],
    });
    writer.apply_watcher_event(&Event::Apply(serde_json::from_value(object).unwrap()));
    let storage = Arc::new(StorageHosts::default());
    storage.add("drill-1", GATEWAY);
    let namespace_of = Arc::new(|address| (address == POD).then(|| "drill-1".to_owned()));
    Zones { endpoints, storage, namespace_of }
}

fn ask(zones: &Zones, name: &str) -> Option<Vec<String>> {
    let addresses = zones.addresses(name, POD)?;
    Some(addresses.iter().map(ToString::to_string).collect())
}

#[test]
fn a_service_is_its_endpoints() {
    let found = ask(&zones(), "acid-orders.drill-1.svc.cluster.local").unwrap();
    assert_eq!(found, ["10.244.1.7", "10.244.1.8"]);
    assert_eq!(ask(&zones(), "acid-orders.drill-2.svc.cluster.local"), None);
    assert_eq!(ask(&zones(), "svc.cluster.local"), None);
}

#[test]
fn a_pod_of_a_headless_service_is_itself() {
    let found = ask(&zones(), "acid-orders-1.acid-orders.drill-1.svc.cluster.local").unwrap();
    assert_eq!(found, ["10.244.1.8"]);
}

#[test]
fn a_storage_account_is_the_gateway_of_the_asking_pod() {
    let zones = zones();
    assert_eq!(ask(&zones, "prodbackups.blob.core.windows.net").unwrap(), ["10.244.254.1"]);
    let stranger = IpAddr::V4(Ipv4Addr::new(10, 244, 1, 9));
    assert_eq!(zones.addresses("prodbackups.blob.core.windows.net", stranger), None);
    assert_eq!(ask(&zones, "blob.core.windows.net"), None);
    assert_eq!(ask(&zones, "login.microsoftonline.com"), None);
}

#[test]
fn a_forgotten_account_is_gone_and_others_stay() {
    let zones = zones();
    zones.storage.set("drill-1", "ProdBackups.blob.core.windows.net", false);
    assert_eq!(ask(&zones, "prodbackups.blob.core.windows.net"), None);
    assert!(ask(&zones, "clonebackups.blob.core.windows.net").is_some());
    zones.storage.set("drill-1", "prodbackups.blob.core.windows.net", true);
    assert!(ask(&zones, "prodbackups.blob.core.windows.net").is_some());
    zones.storage.remove("drill-1");
    assert_eq!(ask(&zones, "clonebackups.blob.core.windows.net"), None);
}
