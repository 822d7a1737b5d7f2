//! Certificates and connections that `openssl` made: nothing of ours vouches for them.

use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Site, run};

/// A certificate and its key.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// PEM.
    pub(crate) crt: PathBuf,
    /// PEM.
    pub(crate) key: PathBuf,
}

/// What a stranger saw.
#[derive(Debug)]
pub(crate) struct Heard {
    /// The application's bytes that came.
    pub(crate) bytes: Vec<u8>,
    /// What `openssl` says.
    pub(crate) told: String,
}

/// A CA `name` of nobody in the folder of `site`.
pub(crate) fn ca(site: &Site, name: &str) -> Pair {
    let pair = key(site, name);
    let subject = format!("/CN={name}");
    let mut make = openssl(site);
    make.args(["req", "-x509", "-new", "-days", "30", "-subj", &subject, "-addext", "keyUsage=keyCertSign,cRLSign"]);
    done(make.arg("-key").arg(&pair.key).arg("-out").arg(&pair.crt));
    pair
}

/// A certificate of `name`, good from and until these times (as `date` understands them), from the CA `by`.
pub(crate) fn issue(site: &Site, (by, name): (&Pair, &str), uri: &str, (from, until): (&str, &str)) -> Pair {
    let pair = key(site, name);
    let request = pair.key.with_extension("csr");
    let (subject, san) = (format!("/CN={name}"), format!("subjectAltName=URI:{uri}"));
    let mut ask = openssl(site);
    ask.args(["req", "-new", "-subj", &subject, "-addext", &san]);
    done(ask.arg("-key").arg(&pair.key).arg("-out").arg(&request));
    std::fs::write(site.file("ossl/ca.cnf"), CA).expect("written");
    std::fs::write(site.file("ossl/index.txt"), "").expect("written");
    let mut sign = openssl(site);
    sign.args(["ca", "-batch", "-notext", "-config", "ca.cnf", "-startdate", &asn1(from), "-enddate", &asn1(until)]);
    sign.arg("-cert").arg(&by.crt).arg("-keyfile").arg(&by.key);
    done(sign.arg("-in").arg(&request).arg("-out").arg(&pair.crt));
    pair
}

/// An empty revocation list of the CA `by`, good from and until these times.
pub(crate) fn revocations(site: &Site, by: &Pair, (from, until): (&str, &str)) -> PathBuf {
    let list = site.file("ossl/list.crl");
    let mut sign = openssl(site);
    std::fs::write(site.file("ossl/ca.cnf"), CA).expect("written");
    std::fs::write(site.file("ossl/index.txt"), "").expect("written");
    std::fs::write(site.file("ossl/crlnumber"), "01\n").expect("written");
    sign.args(["ca", "-gencrl", "-config", "ca.cnf", "-crl_lastupdate", &asn1(from), "-crl_nextupdate", &asn1(until)]);
    done(sign.arg("-cert").arg(&by.crt).arg("-keyfile").arg(&by.key).arg("-out").arg(&list));
    list
}

/// Connects, sends `bytes`, and listens until the gate hangs up. `more` are further arguments of `s_client`.
pub(crate) fn connect(site: &Site, address: SocketAddr, own: Option<&Pair>, more: &[&str], bytes: &[u8]) -> Heard {
    let mut client = Command::new("timeout");
    client.args(["60", "openssl", "s_client", "-quiet", "-servername", "gate", "-connect", &address.to_string()]);
    client.arg("-CAfile").arg(site.crt("plant")).args(more).current_dir(site.path());
    if let Some(pair) = own {
        client.arg("-cert").arg(&pair.crt).arg("-key").arg(&pair.key);
    }
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = client.spawn().expect("openssl runs");
    let mut stdin = child.stdin.take().expect("it is piped");
    // It may be gone before the bytes are: that is what the tests ask.
    let _ = stdin.write_all(bytes);
    let output = child.wait_with_output().expect("openssl ends");
    drop(stdin);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_ne!(output.status.code(), Some(124), "the gate did not hang up: {told}");
    Heard { bytes: output.stdout, told }
}

fn key(site: &Site, name: &str) -> Pair {
    let folder = site.file("ossl");
    std::fs::create_dir_all(&folder).expect("a folder");
    let pair = Pair { crt: folder.join(format!("{name}.crt")), key: folder.join(format!("{name}.key")) };
    let mut make = openssl(site);
    done(make.args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"]).arg(&pair.key));
    pair
}

fn openssl(site: &Site) -> Command {
    let mut command = Command::new("openssl");
    command.current_dir(existing(&site.file("ossl")));
    command
}

fn existing(folder: &Path) -> &Path {
    std::fs::create_dir_all(folder).expect("a folder");
    folder
}

fn done(command: &mut Command) {
    let (ok, text) = run(command);
    assert!(ok, "{command:?}: {text}");
}

/// `20261121050000Z`.
fn asn1(when: &str) -> String {
    let (ok, text) = run(Command::new("date").args(["-u", "-d", when, "+%Y%m%d%H%M%SZ"]));
    assert!(ok, "date {when}: {text}");
    text.trim().to_owned()
}

const CA: &str = "[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
crlnumber = crlnumber
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
";
