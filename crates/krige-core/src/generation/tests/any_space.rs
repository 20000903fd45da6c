//! Random spaces, random histories: every proposal is a new point of the space, and a resumed experiment makes the
//! same ones.

use proptest::prelude::*;

use super::*;
use crate::trial::TrialEvent;

fn parameter(name: &'static str) -> impl Strategy<Value = Parameter> {
    let lower = -50.0..50.0_f64;
    prop_oneof![
        (lower.clone(), 0.1..100.0).prop_map(move |(a, w)| Parameter::float(name, a, a + w)),
        (1e-6..1.0, 2.0..1e6).prop_map(move |(a, f)| Parameter::float(name, a, a * f).log()),
        (-5..5_i64, 2..2000_i64).prop_map(move |(a, w)| Parameter::int(name, a, a + w)),
        (1..5_i64, 2..2000_i64).prop_map(move |(a, w)| Parameter::int(name, a, a + w).log()),
        (-9..9_i32, 3..9_i32).prop_map(move |(a, n)| {
            Parameter::float(name, f64::from(a), f64::from(a) + 0.1 * f64::from(n)).step(0.1)
        }),
        lower.prop_map(move |a| Parameter::float(name, a, a + 3.0).digits(1)),
        Just(Parameter::choice(name, ["a", "b", "c"])),
        Just(Parameter::choice(name, [0.5, 1.0, 4.0, 9.0])),
    ]
}

/// What becomes of a trial.
fn fate() -> impl Strategy<Value = u8> {
    0..6_u8
}

fn meet(lab: &mut Lab, trial: usize, fate: u8) {
    let z: f64 = lab.parameters(trial).iter().filter_map(|(_, value)| value.as_number()).sum();
    match fate {
        0 => {}
        1 => lab.start(trial),
        2 => lab.fail(trial),
        3 => lab.abandon(trial),
        4 => {
            lab.start(trial);
            lab.observe(trial, &[("z", z), ("c", -z)]);
            lab.change(trial, TrialEvent::EarlyStopped { reason: None });
        }
        _ => lab.complete(trial, &[("z", z), ("c", -z)]),
    }
}

/// Asks in turn with and without a death of the process before; trials meet the fates.
fn run(
    search_space: &SearchSpace,
    strategy: &GenerationStrategy,
    objective: &str,
    constraints: &[&str],
    fates: &[u8],
) -> Result<(), TestCaseError> {
    let mut lab =
        Lab::new(search_space.clone()).optimize(objective, constraints).with(strategy.clone());
    for (trial, fate) in fates.iter().enumerate() {
        let mut resumed = lab.resumed();
        prop_assert_eq!(lab.ask(1), Ok(vec![trial]));
        prop_assert_eq!(resumed.ask(1), Ok(vec![trial]));
        prop_assert_eq!(&lab.experiment, &resumed.experiment);
        meet(&mut lab, trial, *fate);
    }
    let trials = &lab.experiment.trials;
    for trial in trials {
        let parameters = &trial.arm.parameters;
        prop_assert_eq!(search_space.validate(parameters), Ok(()));
        prop_assert_eq!(search_space.cast(parameters.clone()), Ok(parameters.clone()));
        let again = trials.iter().filter(|other| {
            other.arm.parameters == *parameters
                && other.status() != crate::trial::TrialStatus::Failed
        });
        prop_assert!(again.count() <= 1, "{parameters} came twice");
    }
    Ok(())
}

fn some_space() -> impl Strategy<Value = SearchSpace> {
    let constrain = prop::sample::select(vec![&[][..], &["u + 2*v <= 3"], &["v - u >= 0.5"]]);
    (parameter("p"), parameter("q"), constrain).prop_map(|(p, q, constraints)| {
        let plain = [Parameter::float("u", 0.0, 4.0), Parameter::int("v", 0, 3)];
        space([p, q].into_iter().chain(plain), constraints)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn random_search(search_space in some_space(), fates in prop::collection::vec(fate(), 12)) {
        let options = StrategyOptions {
            method: GenerationMethod::RandomSearch,
            ..StrategyOptions::default()
        };
        run(&search_space, &options.strategy(), "z", &[], &fates)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn model(
        search_space in some_space(),
        fates in prop::collection::vec(fate(), 8),
        problem in prop::sample::select(vec![
            ("z", &[][..]),
            ("-z", &["c <= 1"]),
            ("z, -c", &[]),
            ("2*z - c", &["c >= -10", "z <= 30"]),
        ]),
    ) {
        let options = StrategyOptions {
            initialization_budget: Some(3),
            allow_exceeding_initialization_budget: true,
            ..StrategyOptions::default()
        };
        run(&search_space, &options.strategy(), problem.0, problem.1, &fates)?;
    }
}
