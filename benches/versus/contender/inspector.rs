//! How is Suricata put on the wire between client and device?

use crate::{
    contender::{Setup, Started},
    lab::{self, Lab},
    process::{self, Part},
};

/// Debian has Suricata 7 in bookworm-backports, and 6 in bookworm: whatever is here is named.
pub(super) fn version() -> Result<String, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("network namespaces need root".into());
    }
    process::version("ip", &["-V"])?;
    process::version("ethtool", &["--version"])?;
    let version = process::version("suricata", &["-V"])?;
    if !version.contains(" 7.") && !version.contains(" 8.") {
        eprintln!("!! {version}, where Suricata 7 was asked for: its figures are not those of the targets");
    }
    Ok(version)
}

/// Inline by AF_PACKET; it decodes Modbus, drops what the rules name, and forwards the rest.
pub(super) fn suricata(setup: &Setup<'_>) -> Result<Started, String> {
    let lab = setup.plant.inspection()?;
    let logs = setup.plant.fresh("suricata");
    let rules = setup.plant.write("suricata.rules", RULES);
    let side = |one: &str, other: &str, cluster: u8| {
        format!(
            "  - interface: {one}\n    threads: 1\n    cluster-id: {cluster}\n    cluster-type: cluster_flow\n    defrag: no\n\
             \x20   use-mmap: yes\n    tpacket-v3: no\n    ring-size: 4096\n    copy-mode: ips\n    copy-iface: {other}\n\
             \x20   checksum-checks: no\n"
        )
    };
    let text = format!(
        "%YAML 1.1\n---\ndefault-log-dir: {logs}\nstats:\n  enabled: no\noutputs:\n  - fast:\n      enabled: yes\n\
         \x20     filename: fast.log\nlogging:\n  default-log-level: error\n  outputs:\n  - console:\n      enabled: yes\n\
         runmode: workers\naf-packet:\n{left}{right}\
         stream:\n  inline: yes\n  checksum-validation: no\n  reassembly:\n    depth: 0\n\
         app-layer:\n  protocols:\n    modbus:\n      enabled: yes\n      detection-ports:\n        dp: {port}\n      stream-depth: 0\n\
         vars:\n  address-groups:\n    HOME_NET: \"[10.77.0.0/24]\"\n    EXTERNAL_NET: \"any\"\n  port-groups:\n    MODBUS_PORTS: {port}\n\
         default-rule-path: {folder}\nrule-files:\n  - {rules}\nclassification-file: /etc/suricata/classification.config\n\
         reference-config-file: /etc/suricata/reference.config\nthreshold-file: /etc/suricata/threshold.config\n",
        logs = logs.display(),
        left = side("s0", "s1", 98),
        right = side("s1", "s0", 97),
        port = lab::PORT,
        folder = logs.display(),
        rules = rules.display(),
    );
    let mut command = Lab::command(&lab.between, "suricata");
    command.arg("-c").arg(setup.plant.write("suricata.yaml", &text)).arg("--af-packet").args(["-k", "none"]);
    command.arg("--pidfile").arg(logs.join("pid")).arg("-l").arg(&logs);
    let part = Part { command, listens: lab::inspected(), net: Some(lab.client.clone()) };
    Ok(Started { parts: vec![part], address: lab::inspected(), net: Some(lab.client.clone()) })
}

/// What our twenty rules allow, said as what is to be dropped: other functions, other registers, other values, broken frames.
const RULES: &str = "\
drop modbus any any -> any any (msg:\"a coil is written\"; modbus: function 5; sid:1;)
drop modbus any any -> any any (msg:\"coils are written\"; modbus: function 15; sid:2;)
drop modbus any any -> any any (msg:\"diagnostics\"; modbus: function 8; sid:3;)
drop modbus any any -> any any (msg:\"read outside\"; modbus: access read holding, address 200<>65535; sid:4;)
drop modbus any any -> any any (msg:\"write outside\"; modbus: access write holding, address 200<>65535; sid:5;)
drop modbus any any -> any any (msg:\"value too large\"; modbus: access write holding, address 40, value >1500; sid:6;)
drop modbus any any -> any any (msg:\"wrong protocol id\"; app-layer-event:modbus.invalid_protocol_id; sid:7;)
drop modbus any any -> any any (msg:\"wrong length\"; app-layer-event:modbus.invalid_length; sid:8;)
drop modbus any any -> any any (msg:\"wrong function\"; app-layer-event:modbus.invalid_function_code; sid:9;)
";
