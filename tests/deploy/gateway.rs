//! The resources for Envoy Gateway: its own translator accepts them, and a real Envoy runs the translation in front of
//! a real Latchkey with TLS.

use std::net::TcpStream;
use std::process::{Command, Output};

use latchkey_testing::{
    Ca, Folder, Latchkey, Pair, Process, Request, Setup, Upstream, eventually, free_port, program,
    replace_once, tool,
};
use serde_json::{Value, json};

use crate::{read, text};

/// Port of Latchkey and port of the service in the files.
const PORTS: [u16; 2] = [50_051, 8_000];

/// Returns the files that ship, concatenated, with these ports.
fn shipped([latchkey, things]: [u16; 2]) -> String {
    let gateway = read("deploy/envoy-gateway/gateway.yaml");
    let policy = read("deploy/envoy-gateway/securitypolicy.yaml");
    let gateway = replace_once(&gateway, "port: 8000", &format!("port: {things}"));
    gateway + "---\n" + &replace_once(&policy, "port: 50051", &format!("port: {latchkey}"))
}

/// Returns the other resources of a cluster, with addresses of this machine.
fn cluster([latchkey, things]: [u16; 2], ca: &Ca, client: &Pair) -> String {
    use base64::Engine as _;
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let service = |name: &str, namespace: &str, port: u16| {
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": namespace },
            "spec": { "clusterIP": "127.0.0.1", "ports": [{ "name": "port", "port": port, "targetPort": port }] } })
    };
    let namespace =
        |name: &str| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    let resources = [
        namespace("apps"),
        namespace("latchkey"),
        service("latchkey", "latchkey", latchkey),
        service("things", "apps", things),
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "latchkey-ca", "namespace": "latchkey" },
            "data": { "ca.crt": ca.pem() } }),
        json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": { "name": "latchkey-client", "namespace": "apps" },
            "data": { "tls.crt": base64(&client.cert), "tls.key": base64(&client.key) } }),
    ];
    resources.map(|resource| format!("---\n{resource}\n")).concat()
}

fn translate(folder: &Folder, resources: &str) -> Output {
    let file = folder.write("resources.yaml", resources);
    let mut command = Command::new(tool("egctl"));
    command.args([
        "x",
        "translate",
        "--from",
        "gateway-api",
        "--to",
        "gateway-api,xds",
        "--output",
        "json",
        "--file",
    ]);
    command.arg(file).output().expect("egctl starts")
}

/// Returns every condition in the status of a resource, as type, status and message.
fn conditions(value: &Value, found: &mut Vec<(String, String, String)>) {
    match value {
        Value::Object(fields) => {
            if let Some(list) = fields.get("conditions").and_then(Value::as_array) {
                let field = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
                found.extend(
                    list.iter().map(|one| (field(one, "type"), field(one, "status"), field(one, "message"))),
                );
            }
            fields.values().for_each(|inner| conditions(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| conditions(inner, found)),
        _ => {}
    }
}

#[test]
fn envoy_gateway_accepts_every_resource() {
    let (folder, ca) = (Folder::new("gateway"), Ca::new());
    let output = translate(&folder, &(shipped(PORTS) + &cluster(PORTS, &ca, &ca.issue(&["envoy.example"]))));
    assert!(output.status.success(), "{}", text(&output));
    let translated: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for kind in ["backendTLSPolicies", "clientTrafficPolicies", "gateways", "httpRoutes", "securityPolicies"]
    {
        let mut found = Vec::new();
        conditions(&translated[kind], &mut found);
        assert!(found.iter().any(|(name, ..)| name == "Accepted"), "{kind}: {found:?}");
        assert!(found.iter().all(|(_, status, _)| status == "True"), "{kind}: {found:?}");
    }
}

#[test]
fn a_wrong_resource_is_refused() {
    let (folder, ca) = (Folder::new("gateway-wrong"), Ca::new());
    let rest = cluster(PORTS, &ca, &ca.issue(&["envoy.example"]));
    let files = shipped(PORTS);
    for (right, wrong) in [
        ("failOpen: false", "failureModeAllow: false"),
        ("timeout: 200ms", "timeout: soon"),
        ("statusOnError: 503", "statusOnError: \"503\""),
        ("kind: BackendTLSPolicy", "kind: BackendTls"),
        ("port: 50051", "port: grpc"),
        ("escapedSlashesAction: RejectRequest", "escapedSlashesAction: Reject"),
    ] {
        let output = translate(&folder, &(replace_once(&files, right, wrong) + &rest));
        let accepted =
            output.status.success() && text(&output).contains("securitypolicy/apps/latchkey/extauth/0/tls/0");
        assert!(!accepted, "{wrong} is taken");
    }
}

/// Returns the connection manager that Envoy Gateway generates from these resources.
fn manager(folder: &Folder, resources: &str) -> Value {
    let output = translate(folder, resources);
    assert!(output.status.success(), "{}", text(&output));
    let translated: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let xds = &translated["xds"]["apps/front"];
    let routes = &dump(xds, ".RoutesConfigDump", "dynamicRouteConfigs")[0]["routeConfig"];
    let listeners = dump(xds, ".ListenersConfigDump", "dynamicListeners");
    let mut listeners = listeners.iter().map(|one| &one["activeState"]["listener"]);
    let listener = listeners.find(|one| one["name"] == routes["name"]).expect("the Gateway's listener");
    listener["defaultFilterChain"]["filters"][0]["typedConfig"].clone()
}

#[test]
fn paths_and_addresses_are_read_as_latchkey_reads_them() {
    let (folder, ca) = (Folder::new("gateway-paths"), Ca::new());
    let rest = cluster(PORTS, &ca, &ca.issue(&["envoy.example"]));
    let files = shipped(PORTS);
    let own = manager(&folder, &(files.clone() + &rest));
    for (setting, value) in [
        ("normalizePath", json!(true)),
        ("mergeSlashes", json!(true)),
        ("pathWithEscapedSlashesAction", json!("REJECT_REQUEST")),
        ("useRemoteAddress", json!(true)),
    ] {
        assert_eq!(own[setting], value, "{setting} in {own}");
    }
    assert!(own["xffNumTrustedHops"].is_null(), "{own}");
    assert_eq!(own["commonHttpProtocolOptions"]["headersWithUnderscoresAction"], "REJECT_REQUEST", "{own}");
    // One trusted proxy: the last address of the header, before Envoy appends its peer.
    let behind = replace_once(&files, "#clientIPDetection", "clientIPDetection");
    let behind = manager(&folder, &(behind + &rest));
    let detection = &behind["originalIpDetectionExtensions"][0]["typedConfig"];
    assert!(detection["@type"].as_str().is_some_and(|name| name.ends_with(".XffConfig")), "{behind}");
    assert!(detection["xffNumTrustedHops"].is_null() && detection["skipXffAppend"] == false, "{behind}");
}

/// Replaces references to a management server by references to the file: SDS secrets become secrets of the
/// file.
fn localise(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let secret = fields.contains_key("name") && fields.contains_key("sdsConfig");
            if secret {
                fields.remove("sdsConfig");
            }
            fields.values_mut().for_each(localise);
        }
        Value::Array(items) => items.iter_mut().for_each(localise),
        _ => {}
    }
}

fn dump<'x>(xds: &'x Value, kind: &str, list: &str) -> &'x Vec<Value> {
    let mut configs = xds["configs"].as_array().expect("configs").iter();
    let config = configs.find(|config| config["@type"].as_str().is_some_and(|name| name.ends_with(kind)));
    config.and_then(|config| config[list].as_array()).unwrap_or_else(|| panic!("no {kind}"))
}

/// Writes a configuration file for Envoy with the resources that Envoy Gateway would send to it: the same listener,
/// route and clusters, and the secrets.
fn bootstrap(xds: &Value, port: u16, ca: &Ca, client: &Pair) -> Value {
    let routes = &dump(xds, ".RoutesConfigDump", "dynamicRouteConfigs")[0]["routeConfig"];
    let listeners = dump(xds, ".ListenersConfigDump", "dynamicListeners");
    let mut listeners = listeners.iter().map(|one| &one["activeState"]["listener"]);
    let listener = listeners.find(|one| one["name"] == routes["name"]).expect("the Gateway's listener");
    let mut listener = plain(listener);
    listener["address"]["socketAddress"]["portValue"] = json!(port);
    let manager = &mut listener["defaultFilterChain"]["filters"][0]["typedConfig"];
    let rds = manager.as_object_mut().and_then(|fields| fields.remove("rds")).expect("routes by name");
    assert_eq!(rds["routeConfigName"], routes["name"]);
    manager["routeConfig"] = plain(routes);
    let endpoints = dump(xds, ".EndpointsConfigDump", "dynamicEndpointConfigs");
    let mut clusters = Vec::new();
    for cluster in dump(xds, ".ClustersConfigDump", "dynamicActiveClusters") {
        let mut cluster = plain(&cluster["cluster"]);
        let fields = cluster.as_object_mut().expect("a cluster");
        let name = fields.remove("edsClusterConfig").expect("EDS")["serviceName"].clone();
        let found = endpoints.iter().map(|one| &one["endpointConfig"]).find(|one| one["clusterName"] == name);
        cluster["loadAssignment"] = plain(found.expect("endpoints"));
        cluster["type"] = json!("STATIC");
        clusters.push(cluster);
    }
    let secrets = json!([
        { "name": "latchkey/latchkey-ca", "validationContext": { "trustedCa": { "inlineString": ca.pem() } } },
        { "name": "apps/latchkey-client", "tlsCertificate": {
            "certificateChain": { "inlineString": client.cert }, "privateKey": { "inlineString": client.key } } },
    ]);
    let mut whole =
        json!({ "staticResources": { "listeners": [listener], "clusters": clusters, "secrets": secrets } });
    localise(&mut whole);
    whole["node"] = json!({ "id": "front", "cluster": "front" });
    whole
}

/// Returns a message of a dump without its type, which a file does not have.
fn plain(message: &Value) -> Value {
    let mut message = message.clone();
    message.as_object_mut().and_then(|fields| fields.remove("@type")).expect("a type");
    message
}

/// Starts Latchkey with TLS and client certificates, and creates a key of a tenant.
fn latchkey(folder: &Folder, ca: &Ca, client: &Pair) -> (Latchkey, String) {
    let server = ca.issue(&["latchkey.latchkey.svc.cluster.local", "127.0.0.1"]);
    let file = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let (ca, cert, key) =
        (file("ca.pem", ca.pem()), file("client.pem", &client.cert), file("client.key", &client.key));
    let latchkey = Setup::default()
        .shipped("demo")
        .environment("LATCHKEY_TLS_CERT", &file("server.pem", &server.cert))
        .environment("LATCHKEY_TLS_KEY", &file("server.key", &server.key))
        .environment("LATCHKEY_TLS_CLIENT_CA", &ca)
        .start();
    let url = format!("https://127.0.0.1:{}", latchkey.grpc());
    let cli = |words: &[&str]| {
        let mut command = Command::new(program());
        command.args(["--server", &url, "--ca-file", &ca, "--cert-file", &cert, "--cert-key-file", &key]);
        let output = command.args(words).env("LATCHKEY_API_KEY", latchkey_testing::ROOT_KEY).output();
        let output = output.expect("the program starts");
        assert!(output.status.success(), "{words:?}: {}", text(&output));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    cli(&["tenant", "create", "acme", "--profile", "demo"]);
    let key =
        cli(&["key", "create", "--tenant", "acme", "--name", "k", "--scope", "things.read", "--secret-only"]);
    (latchkey, key)
}

#[test]
fn the_translation_lets_only_allowed_requests_pass_through_a_real_envoy() {
    let (folder, ca, upstream) = (Folder::new("gateway-run"), Ca::new(), Upstream::start());
    let client = ca.issue(&["envoy.example"]);
    let (latchkey, key) = latchkey(&folder, &ca, &client);
    let ports = [latchkey.grpc(), upstream.port()];
    // A slow machine needs longer than Envoy waits.
    let shipped = replace_once(&shipped(ports), "timeout: 200ms", "timeout: 30s");
    let resources = shipped + &cluster(ports, &ca, &client);
    let output = translate(&folder, &resources);
    assert!(output.status.success(), "{}", text(&output));
    let translated: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let port = free_port();
    let config = bootstrap(&translated["xds"]["apps/front"], port, &ca, &client);
    let config = folder.write("envoy.json", &config.to_string());
    let mut command = Command::new(tool("envoy"));
    command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warn", "-c"]).arg(config);
    let mut envoy = Process::start(&mut command, &folder, "envoy");
    eventually("Envoy listens", || {
        assert!(envoy.ended().is_none(), "Envoy ended:\n{}", envoy.log());
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let send = |method: &str, path: &str, key: &str| {
        Request::new(method, "front.example", path).header("x-api-key", key).send(port)
    };
    let allowed = eventually("a Check is answered", || {
        Some(send("GET", "/things/1", &key)).filter(|answer| answer.status != 503)
    });
    assert_eq!(allowed.status, 200, "{allowed:?}\n{}", envoy.log());
    assert!(allowed.body.contains("x-tenant") && !allowed.body.contains(&key), "{allowed:?}");
    assert_eq!(Request::get("front.example", "/things/1").send(port).status, 401);
    assert_eq!(send("POST", "/things", &key).status, 403);
    assert_eq!(send("GET", "/things%2f..%2fsecret", &key).status, 400);
    let seen = upstream.seen();
    latchkey.kill();
    assert_eq!(send("GET", "/things/1", &key).status, 503);
    assert_eq!(upstream.seen(), seen, "an outage lets nothing pass");
}
