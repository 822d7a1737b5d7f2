//! What does a request cost through us, through what people put in front of a PLC instead, and through nothing?
//!
//! `cargo bench --bench versus [-- --quick] [--rounds N] [--seconds N] [--contenders a,b] [--scenarios a,b] [--out DIR]`
//! `cargo bench --bench versus -- --render DIR/versus.json [--page docs/performance.md]`
//!
//! ```text
//! plan       the command line: which contenders, which scenarios, how often, how long
//! plant      certificates and configurations: one temporary plant for the whole run
//! device     the Modbus server behind everybody, a sink and a source of bytes
//! load       the clients: closed loop, open loop, churn, idle, bulk, and what disturbs them
//! contender  each of them at its best for TLS 1.3 with client certificates, and where its settings come from
//! null       our own relay that reads nothing: the floor
//! process    a contender's processes: start, CPU by schedstat, resident memory, end
//! lab        network namespaces, for what inspects on the wire and for OpenVPN
//! scenario   what is asked of them, and the figures that come of it
//! stats      medians, spreads, percentiles
//! report     table, JSON, plots, targets, the page
//! ```
//! Contenders take turns (A B C A B C): what the machine does meanwhile meets all of them. Every figure is a median over
//! the rounds, with the smallest and the largest beside it. Compare within one run only. Results land in `--out` (the
//! target folder's `tmp/versus`): `versus.json`, `versus.md`, a plot a scenario, and `configs/` with every configuration.

#[path = "versus/contender.rs"]
mod contender;
#[path = "versus/device.rs"]
mod device;
#[path = "versus/lab.rs"]
mod lab;
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
    if words.first().is_some_and(|word| word == null::COMMAND || word == null::DIAL) {
        return null::run(&words);
    }
    let plan = Plan::of(&words).unwrap_or_else(|fault| fail(&fault));
    if let Some(file) = &plan.render {
        return report::render(file, plan.page.as_deref()).unwrap_or_else(|fault| fail(&fault));
    }
    if cfg!(debug_assertions) {
        eprintln!("!! versus: this is a debug build; its figures mean nothing");
    }
    process::raise_file_limit();
    let fit = process::sessions_that_fit();
    if fit < 10_000 {
        eprintln!(
            "!! the limit on open files lets {fit} sessions be open at once: idle-10000 has as many, and no more"
        );
    }
    let mut report = Report::new(&plan, &words);
    let plant = Plant::new(&plan.out);
    process::end_all_on_signal(plant.written(""));
    let here = muster(&plan, &mut report);
    let minutes = plan.estimate(&here).as_secs_f64() / 60.0;
    eprintln!("about {minutes:.0} minutes");
    let start = std::time::Instant::now();
    for scenario in &plan.scenarios {
        run(&plan, &plant, &here, scenario, &mut report);
    }
    report.finish(&plan);
    eprintln!("it took {:.1} minutes, {minutes:.1} were expected", start.elapsed().as_secs_f64() / 60.0);
    process::end_all();
}

fn fail(fault: &str) -> ! {
    eprintln!("versus: {fault}");
    std::process::exit(2);
}

/// Who of the plan is on this machine. Only those that a scenario asks for are looked for.
fn muster<'a>(plan: &'a Plan, report: &mut Report) -> Vec<&'a Contender> {
    let mut here = Vec::new();
    for one in plan.contenders.iter().filter(|one| plan.scenarios.iter().any(|scenario| scenario.takes(one))) {
        match (one.version)() {
            Ok(version) => {
                report.present(one, &version);
                here.push(one);
            }
            Err(why) => report.missing(one, &why),
        }
    }
    here
}

/// One scenario: every contender in turn, and that for all of its rounds.
fn run(plan: &Plan, plant: &Plant, here: &[&Contender], scenario: &Scenario, report: &mut Report) {
    eprintln!("-- {}: {}", scenario.name, scenario.what);
    for round in 1..=scenario.rounds(plan.rounds) {
        for one in here.iter().filter(|one| scenario.takes(one)) {
            match scenario.measure(plant, one, plan.seconds) {
                Ok(figures) => {
                    eprintln!("   round {round} {:<18} {figures}", one.name);
                    report.add(scenario, one, figures);
                }
                Err(why) => {
                    eprintln!("!! round {round} {:<18} NO FIGURES: {why}", one.name);
                    report.failed(scenario, one, &why);
                }
            }
        }
    }
    report.table(scenario);
}
