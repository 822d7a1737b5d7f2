//! How does the reader attack the gate by hand?

use std::{fmt::Write, path::Path};

use super::site::{GATE_NAME, Ports};

/// The lines to copy.
pub fn lines(dir: &Path, ports: Ports) -> String {
    let Ports { gate, metrics, .. } = ports;
    let dir = dir.display();
    let mut text = String::new();
    // The demo usually runs from a build directory that no PATH knows.
    let us = std::env::current_exe().map_or_else(|_| "sluicegate".to_owned(), |path| path.display().to_string());
    let connect =
        format!("openssl s_client -quiet -tls1_3 -connect {gate} -servername {GATE_NAME} -CAfile {dir}/pki/plant.crt");
    let _ = write!(
        text,
        "\nAttack it yourself (in another terminal; what you try appears below):\n\n\
         # A plain Modbus client needs something that holds the certificate: stunnel, as operator-2.\n\
         stunnel {dir}/stunnel.conf &\n\
         mbpoll -m tcp -p 15020 -0 -a 1 -t 4 -r 0 -c 10 -1 127.0.0.1     # read holding 0-9: allowed\n\
         mbpoll -m tcp -p 15020 -0 -a 1 -t 4 -r 95 127.0.0.1 1           # write holding 95: denied\n\
         mbpoll -m tcp -p 15020 -0 -a 1 -t 4 -r {setpoint} 127.0.0.1 1400         # a leap of the setpoint: denied\n\n\
         # Without a certificate, and with one from another authority: nobody gets in.\n\
         {connect}\n\
         {connect} \\\n    -cert {dir}/stranger/operator.crt -key {dir}/stranger/operator.key\n\n\
         # Raw bytes as the historian, who may only read: write holding 41 = 1 comes back as exception 01 (86 01).\n\
         (printf '\\0\\1\\0\\0\\0\\6\\1\\6\\0\\51\\0\\1'; sleep 1) | {connect} -no_ign_eof \\\n    \
         -cert {dir}/pki/historian.crt -key {dir}/pki/historian.key | od -An -tx1\n\n\
         # What it counts, and what it would say before the fact.\n\
         curl -s http://{metrics}/metrics | grep sluicegate_denials_total | grep -v ' 0$'\n\
         {us} --config {dir}/sluicegate.toml explain pump --as operator write holding 95 = 1\n\n",
        setpoint = super::site::SETPOINT,
    );
    text
}
