//! What does a request cost through us, through what people put in front of a PLC instead, and through nothing?
//!
//! `cargo bench --bench versus [-- --quick] [--rounds N] [--seconds N] [--contenders a,b] [--scenarios a,b] [--out DIR]`
//!
//! ```text
//! plan       the command line: which contenders, which scenarios, how often, how long
//! plant      certificates, ports, configurations: one temporary plant for the whole run
//! device     the Modbus server behind everybody
//! load       the clients: closed loop, open loop, churn, idle, an aggressor
//! contender  each of them at its best for TLS 1.3 with client certificates, and where its settings come from
//! null       our own relay that reads nothing: the floor
//! process    a contender's processes: start, CPU by schedstat, resident memory, end
//! stats      medians, spreads, percentiles
//! report     table, JSON, plots
//! ```
//! Contenders take turns (A B C A B C): what the machine does meanwhile meets all of them. Every figure is a median over
//! the rounds, with the smallest and the largest beside it. Compare within one run only.

#[path = "versus/contender.rs"]
mod contender;
#[path = "versus/device.rs"]
mod device;
#[path = "versus/load.rs"]
mod load;
#[path = "versus/null.rs"]
mod null;
#[path = "versus/plan.rs"]
mod plan;
#[path = "versus/plant.rs"]
mod plant;
#[path = "versus/process.rs"]
mod process;
#[path = "versus/report.rs"]
mod report;
#[path = "versus/scenario.rs"]
mod scenario;
#[path = "versus/stats.rs"]
mod stats;

use contender::Contender;
use plan::Plan;
use plant::Plant;
use report::Report;
use scenario::Scenario;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == null::COMMAND) {
        return null::run(&words[1..]);
    }
    let plan = Plan::of(&words).unwrap_or_else(|fault| {
        eprintln!("versus: {fault}");
        std::process::exit(2);
    });
    if cfg!(debug_assertions) {
        eprintln!("versus: this is a debug build; its figures mean nothing");
    }
    process::raise_file_limit();
    let mut report = Report::new(&plan);
    let plant = Plant::new();
    let mut here: Vec<&Contender> = Vec::new();
    for one in &plan.contenders {
        match (one.version)() {
            Ok(version) => {
                report.present(one, &version);
                here.push(one);
            }
            Err(why) => report.missing(one, &why),
        }
    }
    for scenario in &plan.scenarios {
        run(&plan, &plant, &here, scenario, &mut report);
    }
    report.finish(&plan);
}

/// One scenario: every contender in turn, and that `rounds` times.
fn run(plan: &Plan, plant: &Plant, here: &[&Contender], scenario: &Scenario, report: &mut Report) {
    eprintln!("-- {}: {}", scenario.name, scenario.what);
    for round in 1..=plan.rounds {
        for one in here {
            if !scenario.takes(one) {
                continue;
            }
            match scenario.measure(plant, one, plan.seconds) {
                Ok(figures) => {
                    eprintln!("   round {round} {:<16} {figures}", one.name);
                    report.add(scenario, one, figures);
                }
                Err(why) => {
                    eprintln!("   round {round} {:<16} FAILED: {why}", one.name);
                    report.failed(scenario, one, &why);
                }
            }
        }
    }
    report.table(scenario);
}
