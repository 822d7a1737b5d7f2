//! The table itself: every table and key of language.md section 1.

use std::borrow::Cow;

use sluicegate_proto::keys::{KeySpec, Kind};

use super::{Shape, TableSpec, UnservedWord};

const MODES: Kind = Kind::Word(&["enforce", "monitor", "learn"]);
const ON_DENY: Kind = Kind::Word(&["refuse", "drop", "close"]);
const FAULT: Kind = Kind::Word(&["close", "refuse-new", "keep"]);
const PROTOCOLS: Kind = Kind::Word(PROTOCOL_WORDS);
/// Every protocol of the language; those that proto does not know are refused by name.
pub(super) const PROTOCOL_WORDS: &[&str] =
    &["modbus", "dnp3", "iec104", "s7", "enip", "opcua", "bacnet", "mms", "opaque"];

/// Words of served keys that are known and not served yet, but for protocols.
pub(super) const UNSERVED_WORDS: &[UnservedWord] = &[
    word("defaults", "mode", "learn"),
    word("conduits.*", "mode", "learn"),
    word("listeners.*", "transport", "quic"),
    word("listeners.*", "transport", "transparent"),
    word("certificates.*", "key", "pkcs11:"),
    word("conduits.*", "upstream", "serial:"),
    word("conduits.*", "upstream", "tunnel:"),
];

/// Every table but those that protocols bring.
pub(super) const TABLES: &[TableSpec] = &[
    table("", Shape::One, &[required(key("schema", Kind::Int(1, 1), "The language's version."))], "The root."),
    table("site", Shape::One, SITE, "The site."),
    table("defaults", Shape::One, DEFAULTS, "What conduits use where they say nothing themselves."),
    table("zones.*", Shape::Named, ZONE, "A zone: a part of the plant with one security level."),
    table("certificates.*", Shape::Named, CERTIFICATE, "A certificate of ours."),
    table("authorities.*", Shape::Named, AUTHORITY, "Whose certificates of peers count."),
    table("identities.*", Shape::Named, IDENTITY, "Somebody who may come, or a device that is dialled."),
    table("identities.*.match", Shape::One, MATCH, "How the peer is recognised: exactly one of these."),
    table("roles.*", Shape::Named, ROLE, "A role: rules are written for it."),
    table("listeners.*", Shape::Named, LISTENER, "Where peers arrive."),
    unserved_table("tunnels.*", Shape::Named, TUNNEL, "A standing connection between two gateways."),
    table("conduits.*", Shape::Named, CONDUIT, "A way from one zone to another, for one protocol and one device."),
    table("conduits.*.limits", Shape::One, LIMITS, "Token buckets, asked in the order peer, class, conduit."),
    table("conduits.*.faults", Shape::One, FAULTS, "What our own faults do."),
    unserved_table("conduits.*.opaque", Shape::One, OPAQUE, "Bytes that are not read."),
    table("policies.*", Shape::Named, POLICY, "Rules that several conduits share."),
    table("schedules.*", Shape::Named, SCHEDULE, "When something holds, by the wall clock."),
    table("budgets.*", Shape::Named, BUDGET, "A bucket that several rules share."),
    table("audit", Shape::One, AUDIT, "The record."),
    unserved_table("audit.sinks[]", Shape::Each, SINK, "Where records are also sent."),
    table("metrics", Shape::One, METRICS, "/metrics, /healthz and /readyz."),
    unserved_table("console", Shape::One, CONSOLE, "The console."),
    table("tests[]", Shape::Each, TEST, "What must stay true: run by `check` and before every reload."),
];

const SITE: &[KeySpec] = &[
    required(key("name", Kind::Name, "The site's name.")),
    default(key("timezone", Kind::Text, "For schedules only; audit times are UTC."), "\"UTC\""),
    key("include", Kind::Texts, "Further files, `*` in the file name, relative to this one; merged."),
    default(key("state", Kind::Path, "Audit, grants, learned drafts, last good policy."), "\"/var/lib/sluicegate\""),
    default(
        key(
            "watch",
            Kind::Bool,
            "Reload when a file changes: of the configuration, a certificate, a key, a revocation list.",
        ),
        "false",
    ),
    default(
        key("control", Kind::Path, "The socket of local commands. Root and the service's own user may give them, and:"),
        "\"/run/sluicegate/control.sock\"",
    ),
    default(
        key("control_group", Kind::Text, "The group whose members may give local commands."),
        "\"sluicegate-admin\"",
    ),
];

const DEFAULTS: &[KeySpec] = &[
    default(key("mode", MODES, "How strictly the policy is acted on."), "\"enforce\""),
    default(key("on_deny", ON_DENY, "The protocol's own error answer, silence, or the session's end."), "\"refuse\""),
    default(key("idle_timeout", Kind::Duration, "Without a complete message in either direction."), "\"5m\""),
    default(key("request_timeout", Kind::Duration, "From the write on the wire to the device's answer."), "\"10s\""),
    default(key("queue_timeout", Kind::Duration, "Waiting for the device's turn."), "\"10s\""),
    default(key("frame_timeout", Kind::Duration, "From a message's first byte to its last."), "\"5s\""),
    default(key("handshake_timeout", Kind::Duration, "For the whole TLS handshake."), "\"5s\""),
    default(
        key("half_close_timeout", Kind::Duration, "For the answers that a peer still waits for after its end."),
        "\"60s\"",
    ),
    default(key("drain_timeout", Kind::Duration, "For what is in flight at a stop."), "\"10s\""),
    default(key("max_sessions", Kind::Int(1, 10_000), "Sessions at once."), "32"),
    default(key("pending", Kind::Int(1, 256), "A peer's unanswered requests; then its reading stops."), "16"),
];

const ZONE: &[KeySpec] = &[
    key("level", Kind::Tenths(0, 50), "Purdue level; 3.5 is legal."),
    default(key("sl_target", Kind::Int(0, 4), "IEC 62443-3-2 SL-T."), "0"),
    key("networks", Kind::Networks, "A peer from elsewhere is refused; absent = any source."),
    default(key("safety", Kind::Bool, "Any write, control or program rule into it is an error."), "false"),
    default(key("untrusted", Kind::Bool, "Every conduit that starts here needs a grant."), "false"),
];

const CERTIFICATE: &[KeySpec] = &[
    required(key("cert", Kind::Path, "The PEM chain.")),
    required(key("key", Kind::Text, "A PEM file, or `credential:NAME` of systemd.")),
];

const AUTHORITY: &[KeySpec] = &[
    required(key("roots", Kind::Path, "Root certificates, PEM.")),
    key("crl", Kind::Path, "Revocations, PEM; once given, a stale one fails closed."),
    key("names", Kind::Texts, "What it may vouch for: every SAN of a peer must match one; absent = anything."),
];

const IDENTITY: &[KeySpec] = &[
    required(key("zone", Kind::Name, "The zone that it belongs to.")),
    key("authority", Kind::Name, "Who must have vouched; required except with `match.source`."),
    default(key("roles", Kind::Names, "Its roles."), "[]"),
];

const MATCH: &[KeySpec] = &[
    key("uri", Kind::Text, "A URI SAN; a trailing `/*` below SL-T 3."),
    key("dns", Kind::Text, "A DNS SAN."),
    key("spki", Kind::Text, "`sha256:` and the hex of the SubjectPublicKeyInfo's SHA-256."),
    key("source", Kind::Text, "A network, on tcp listeners only."),
];

const ROLE: &[KeySpec] = &[
    key("modbus_role", Kind::Text, "A Modbus/TCP Security role extension with this value also confers the role."),
    unserved(default(key("requires_grant", Kind::Bool, "Only with a grant."), "false")),
    unserved(key("max_grant", Kind::Duration, "The longest grant.")),
    unserved(key("approvers", Kind::Int(1, 2), "2 = four eyes.")),
    unserved(default(key("second_factor", Kind::Word(&["none", "totp", "webauthn"]), "For a grant."), "\"none\"")),
];

const LISTENER: &[KeySpec] = &[
    required(key("zone", Kind::Name, "The zone that it faces.")),
    required(key("bind", Kind::Address, "Where.")),
    required(key("transport", Kind::Word(&["tls", "tcp", "quic", "transparent"]), "How peers are taken.")),
    default(key("tls_min", Kind::Word(&["1.3", "1.2"]), "`1.2` is for old MBAPS clients."), "\"1.3\""),
    key("certificate", Kind::Name, "Ours; required with tls."),
    key("authorities", Kind::Names, "Whom we trust there; required with tls."),
    default(key("allow_plaintext", Kind::Bool, "Required to be true with tcp."), "false"),
];

const TUNNEL: &[KeySpec] = &[
    key("dial", Kind::Text, "Where the other end listens."),
    key("listen", Kind::Address, "Where the other end dials."),
    key("transport", Kind::Word(&["quic", "tls"]), "How."),
    key("certificate", Kind::Name, "Ours."),
    key("authorities", Kind::Names, "Whom we trust there."),
    key("peer", Kind::Name, "Who must be at the other end."),
    key("fallback", Kind::Word(&["tls"]), "Where UDP is blocked."),
    key("keep_alive", Kind::Duration, "How often it says that it lives."),
    key("gso", Kind::Bool, "Segmentation offload."),
    key("pool", Kind::Int(0, 64), "Warm TLS connections."),
    key("carries", Kind::Names, "Conduits whose sessions may arrive from there."),
];

const CONDUIT: &[KeySpec] = &[
    required(key("from", Kind::Name, "From this zone.")),
    required(key("to", Kind::Name, "To this one.")),
    required(key("listener", Kind::Name, "Where its peers arrive.")),
    key("sni", Kind::Text, "The server name that chooses it; required where several conduits share a listener."),
    required(key("upstream", Kind::OneOrTexts, "`host:port` or `tls:host:port`; a list is an ordered failover.")),
    required(key("protocol", PROTOCOLS, "Stated, never guessed.")),
    key("policies", Kind::Names, "Shared rules: the union of their allows, all of their denies."),
    key("upstream_certificate", Kind::Name, "For `tls:` upstreams: ours."),
    key("upstream_authorities", Kind::Names, "For `tls:` upstreams: whom we trust."),
    key("upstream_peer", Kind::Name, "For `tls:` upstreams: who must be there."),
    default(key("essential", Kind::Bool, "Keeps serving live sessions through our own faults."), "false"),
    default(
        key("upstream_mode", Kind::Word(&["shared", "per-session"]), "One device connection for all, or one each."),
        "\"shared\"",
    ),
    default(key("upstream_connections", Kind::Int(1, 64), "Device connections when shared."), "1"),
    default(key("upstream_idle", Kind::Duration, "Idle device connections are closed after this."), "\"60s\""),
    default(key("upstream_pending", Kind::Int(1, 256), "Requests outstanding on one device connection."), "1"),
    default(
        key("upstream_pipeline", Kind::Bool, "Several messages in one write; many devices drop the second."),
        "false",
    ),
    key("mode", MODES, "As in [defaults]."),
    key("on_deny", ON_DENY, "As in [defaults]."),
    key("idle_timeout", Kind::Duration, "As in [defaults]."),
    key("request_timeout", Kind::Duration, "As in [defaults]."),
    key("queue_timeout", Kind::Duration, "As in [defaults]."),
    key("frame_timeout", Kind::Duration, "As in [defaults]."),
    key("handshake_timeout", Kind::Duration, "As in [defaults]."),
    key("half_close_timeout", Kind::Duration, "As in [defaults]."),
    key("drain_timeout", Kind::Duration, "As in [defaults]."),
    key("max_sessions", Kind::Int(1, 10_000), "As in [defaults]."),
    key("pending", Kind::Int(1, 256), "As in [defaults]."),
];

const LIMITS: &[KeySpec] = &[
    default(key("requests", Kind::Rate, "The whole conduit."), "\"1000/s burst 500\""),
    default(key("peer_requests", Kind::Rate, "Each identity, spent before the conduit's."), "\"500/s burst 250\""),
    key("writes", Kind::Rate, "Class write; absent = unlimited."),
    key("control", Kind::Rate, "Class control; absent = unlimited."),
    default(key("connections", Kind::Rate, "New connections."), "\"10/s burst 32\""),
    default(key("bytes", Kind::ByteRate, "Bytes of peers as they come off the wire, TLS included."), "\"4MiB/s\""),
    default(key("refusals", Kind::Rate, "Refused messages; past it: on_refusal_flood."), "\"20/s burst 100\""),
    key("targets", Kind::Rate, "Distinct points touched by one identity; absent = unlimited."),
    key("on_refusal_flood", Kind::Word(&["slow", "sever"]), "`slow`; `sever` where the zone is untrusted."),
];

const FAULTS: &[KeySpec] = &[
    key("crl_stale", FAULT, "A revocation list is past its next update; `refuse-new` when essential, else `close`."),
    key("certificate_expired", FAULT, "A certificate ended; `refuse-new` when essential, else `close`."),
    key("audit_full", FAULT, "The record cannot be written; `refuse-new` when essential, else `close`."),
    key("broker_lost", FAULT, "The broker is gone; `refuse-new` when essential, else `close`."),
    key("clock_unknown", FAULT, "The time is not known; `refuse-new` when essential, else `close`."),
    key("grace", Kind::Duration, "How long new sessions are still taken; `72h` when essential, else `0s`."),
];

const OPAQUE: &[KeySpec] = &[
    key("max_bytes", Kind::Text, "Bytes of one session."),
    key("max_duration", Kind::Duration, "How long one session lasts."),
    key("allow", Kind::Sentences, "Who may open a session."),
];

const POLICY: &[KeySpec] = &[
    required(key("protocol", PROTOCOLS, "The protocol of its sentences.")),
    key("allow", Kind::Sentences, "What may pass."),
    key("deny", Kind::Sentences, "What may never pass."),
];

const SCHEDULE: &[KeySpec] = &[
    required(key("windows", Kind::Texts, "`mon-fri 07:00-17:00`; may cross midnight.")),
    key("except", Kind::Texts, "Days on which it never holds: `2026-12-25`."),
];

const BUDGET: &[KeySpec] = &[required(key("rate", Kind::Rate, "Shared by all rules that say `spends` and its name."))];

const AUDIT: &[KeySpec] = &[
    default(
        key(
            "on_full",
            Kind::Word(&["by-conduit", "overwrite-oldest"]),
            "Each conduit's `audit_full`, or old records go.",
        ),
        "\"by-conduit\"",
    ),
    default(
        key(
            "durable",
            Kind::Word(&["sessions", "writes"]),
            "`writes`: an allowed write leaves after its record is on disk. Else records follow within 50 ms.",
        ),
        "\"sessions\"",
    ),
];

const SINK: &[KeySpec] = &[
    key("name", Kind::Name, "Its name."),
    key("type", Kind::Word(&["syslog-tls", "syslog-udp", "syslog-tcp", "splunk-hec", "file", "journald"]), "How."),
    key("to", Kind::Text, "Where."),
    key("format", Kind::Word(&["rfc5424", "cef", "leef", "json"]), "In which form."),
];

const METRICS: &[KeySpec] = &[
    required(key("bind", Kind::Address, "Off loopback only with certificate and authorities.")),
    key("certificate", Kind::Name, "Ours."),
    key("authorities", Kind::Names, "Whose clients may scrape."),
    default(key("max_series", Kind::Int(1, 1_000_000), "More series than this refuse the configuration."), "20000"),
];

const CONSOLE: &[KeySpec] = &[key("bind", Kind::Address, "Where.")];

const TEST: &[KeySpec] = &[
    required(key("name", Kind::Text, "What is promised.")),
    required(key("as", Kind::Name, "The identity.")),
    required(key("on", Kind::Name, "The conduit.")),
    required(key("send", Kind::Text, "The sentence, without WHO.")),
    required(key("expect", Kind::Text, "`allow`, or `deny` and the reason.")),
];

const fn table(path: &'static str, shape: Shape, keys: &'static [KeySpec], doc: &'static str) -> TableSpec {
    TableSpec { path: Cow::Borrowed(path), shape, keys, served: true, doc }
}

const fn unserved_table(path: &'static str, shape: Shape, keys: &'static [KeySpec], doc: &'static str) -> TableSpec {
    TableSpec { path: Cow::Borrowed(path), shape, keys, served: false, doc }
}

const fn word(table: &'static str, key: &'static str, word: &'static str) -> UnservedWord {
    UnservedWord { table, key, word }
}

const fn key(key: &'static str, kind: Kind, doc: &'static str) -> KeySpec {
    KeySpec { key, kind, required: false, default: None, doc, served: true }
}

const fn required(mut spec: KeySpec) -> KeySpec {
    spec.required = true;
    spec
}

const fn default(mut spec: KeySpec, text: &'static str) -> KeySpec {
    spec.default = Some(text);
    spec
}

const fn unserved(mut spec: KeySpec) -> KeySpec {
    spec.served = false;
    spec
}
