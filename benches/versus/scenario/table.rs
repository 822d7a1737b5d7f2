//! Which scenarios are there? A pure table.

use super::{Disturbance, Load, Scenario, Turns, Who};
use crate::contender::{Need, Way};

/// All of them, in the order of the report.
pub(crate) fn all() -> Vec<Scenario> {
    [gateways(), hard(), growth(), pairs(), inspectors()].into_iter().flatten().collect()
}

const PLAIN: Need = Need::PLAIN;
const PIPED: Need = Need { pipeline: true, ..PLAIN };
const GUARDED: Need = Need { guarded: true, ..PLAIN };
/// About 20,000 series, which is what a scrape is allowed to have.
const MANY_SERIES: Need = Need { conduits: 72, ..PLAIN };

fn closed(clients: usize) -> Load {
    Load::Closed { clients, depth: 1 }
}

fn one(name: &'static str, what: &'static str, load: Load, who: Who, turns: Turns) -> Scenario {
    Scenario { name, what, load, need: PLAIN, base: None, who, turns }
}

fn gateways() -> Vec<Scenario> {
    let bulk = |name, what, way| Scenario {
        need: Need { bulk: Some(way), ..PLAIN },
        ..one(name, what, Load::Bulk(way), Who::Gateways, Turns::All)
    };
    vec![
        one("closed-1", "1 client, one request outstanding", closed(1), Who::Everybody, Turns::AtMost(2)),
        one("closed-32", "32 clients, one request outstanding each", closed(32), Who::Everybody, Turns::All),
        one(
            "closed-256",
            "256 clients, one request outstanding each; sluicegate-shared has them over one device connection",
            closed(256),
            Who::GatewaysAndShared,
            Turns::All,
        ),
        one("closed-1000", "1,000 clients, one request outstanding each", closed(1000), Who::Gateways, Turns::All),
        Scenario {
            need: PIPED,
            ..one(
                "depth-16",
                "32 clients, 16 requests in one write each",
                Load::Closed { clients: 32, depth: 16 },
                Who::Gateways,
                Turns::All,
            )
        },
        one("open-1000", "32 clients, 1,000 requests/s, open loop", Load::Open, Who::Everybody, Turns::Long),
        one("churn", "8 at once: connect, full handshake, one request, end", Load::Churn, Who::Gateways, Turns::All),
        bulk("bulk-up", "4 connections of opaque bytes, client to device", Way::Up),
        bulk("bulk-down", "4 connections of opaque bytes, device to client", Way::Down),
        one("idle-2000", "2,000 idle sessions", Load::Idle { clients: 2000 }, Who::Gateways, Turns::AtMost(2)),
        one("idle-10000", "10,000 idle sessions", Load::Idle { clients: 10_000 }, Who::Gateways, Turns::AtMost(1)),
    ]
}

fn hard() -> Vec<Scenario> {
    let beside = |name, what, disturbance, need| Scenario {
        need,
        ..one(name, what, Load::Beside(disturbance), Who::Ours, Turns::Long)
    };
    vec![
        beside(
            "attacked",
            "open-1000, then the same under 10,000 refused requests/s and 1,000 handshakes/s from another source",
            Disturbance::Attackers,
            GUARDED,
        ),
        beside(
            "slow-client",
            "open-1000, then the same with a client on the shared link that never reads and one that dribbles",
            Disturbance::Slow,
            Need { shared: true, pipeline: true, ..PLAIN },
        ),
        beside(
            "scraped",
            "open-1000 over 72 conduits, then the same while 20,000 series are read ten times a second",
            Disturbance::Scrapes,
            MANY_SERIES,
        ),
        beside(
            "reloaded",
            "open-1000, then the same while the configuration is loaded again five times a second",
            Disturbance::Reloads,
            Need { control: true, ..PLAIN },
        ),
        Scenario {
            need: Need { durable: true, ..PLAIN },
            ..one(
                "durable-32",
                "32 clients, every write on disk before it leaves",
                closed(32),
                Who::Ours,
                Turns::AtMost(3),
            )
        },
    ]
}

fn growth() -> Vec<Scenario> {
    let grown = |name, what, base, need| Scenario {
        base: Some(base),
        need,
        ..one(name, what, closed(32), Who::Ours, Turns::AtMost(3))
    };
    vec![
        grown(
            "rules-10000",
            "closed-32 with 10,000 rules, against 10",
            Need { rules: 10, ..PLAIN },
            Need { rules: 10_000, ..PLAIN },
        ),
        grown(
            "conduits-500",
            "closed-32 over 500 conduits, against one; on one core",
            Need { one_core: true, ..PLAIN },
            Need { one_core: true, conduits: 500, ..PLAIN },
        ),
        grown(
            "workers-2",
            "closed-32 over 64 conduits: two workers, against one",
            Need { one_core: true, conduits: 64, ..PLAIN },
            Need { conduits: 64, ..PLAIN },
        ),
    ]
}

fn pairs() -> Vec<Scenario> {
    let pair = |name, what, load, turns| one(name, what, load, Who::Pairs, turns);
    vec![
        pair("pair-32", "two gateways: 32 clients, one request outstanding each", closed(32), Turns::AtMost(3)),
        pair("pair-256", "two gateways: 256 clients, one request outstanding each", closed(256), Turns::AtMost(3)),
        pair("pair-open-1000", "two gateways: 32 clients, 1,000 requests/s, open loop", Load::Open, Turns::AtMost(2)),
    ]
}

fn inspectors() -> Vec<Scenario> {
    vec![
        one(
            "inspect-32",
            "32 clients; Suricata inline reads plain TCP, ours terminates TLS as well",
            closed(32),
            Who::Inspectors,
            Turns::All,
        ),
        one(
            "inspect-256",
            "256 clients; Suricata inline reads plain TCP, ours terminates TLS as well",
            closed(256),
            Who::InspectorsAndShared,
            Turns::All,
        ),
    ]
}
