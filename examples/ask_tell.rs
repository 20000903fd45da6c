//! The loop in your own hands: ask for trials, run them as you like, tell what came of them.
//!
//! ```text
//! cargo run --release --example ask_tell
//! ```
//!
//! Ends with the best point found, close to the minimum of the Booth function, which is 0 at (1, 3).

use krige::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut client = Client::in_memory().with_seed(3);
    client.configure_experiment(
        ExperimentConfig::new("booth")
            .parameter(Parameter::float("x1", -10.0, 10.0))
            .parameter(Parameter::float("x2", -10.0, 10.0)),
    )?;
    client.configure_optimization("-booth", &[])?;

    // What is known already can be told first.
    let known = client.attach_trial([("x1", 0.0), ("x2", 0.0)], Some("origin"))?;
    client.complete_trial(known, [("booth", booth(0.0, 0.0))])?;

    for _ in 0..10 {
        // Two at a time: the second takes into account that the first is under way.
        for (trial, parameters) in client.get_next_trials(2)? {
            let (x1, x2) = (parameters.float("x1")?, parameters.float("x2")?);
            let value = booth(x1, x2);
            println!("trial {trial:>2}: booth({x1:>8.4}, {x2:>8.4}) = {value:.6}");
            client.complete_trial(trial, [("booth", value)])?;
        }
    }

    let best = client.get_best_parameterization(false)?;
    let prediction = client.predict(&[Parameterization::from([("x1", 1.0), ("x2", 3.0)])])?;
    println!("{}", client.summarize()?);
    println!(
        "predicted at (1, 3): {:.4} ± {:.1e}",
        prediction[0]["booth"].mean, prediction[0]["booth"].sem
    );
    println!("best booth = {:.6} at {}", best.metrics["booth"].mean, best.parameters);
    Ok(())
}

fn booth(x1: f64, x2: f64) -> f64 {
    (x1 + 2.0 * x2 - 7.0).powi(2) + (2.0 * x1 + x2 - 5.0).powi(2)
}
