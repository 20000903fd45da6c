//! Numbers of numbers, and functions by name.

use super::*;
use proptest::prelude::*;

fn values(shape: &[usize], data: &[f64]) -> ArrayData {
    ArrayData { shape: shape.to_vec(), data: data.to_vec() }
}

fn permanent(answer: Result<Measurement, MetricError>) -> String {
    match answer {
        Err(MetricError::Permanent(cause)) => cause.to_string(),
        other => panic!("{other:?}"),
    }
}

const ALL: [Reduce; 5] = [Reduce::Mean, Reduce::Last, Reduce::Min, Reduce::Max, Reduce::Sum];

#[test]
fn scalars_are_reduced_over_the_events() {
    let four = values(&[4], &[1.5, -2.25, 4.0, 8.5]);
    // numpy 2.4.6: [1.5, -2.25, 4.0, 8.5]: mean(), std(ddof=1) / 2
    let mean = Reduce::Mean.measure(&four).expect("a number");
    assert_eq!(mean.mean, 2.9375);
    assert!((mean.sem.expect("four events") - 2.255_490_984_981_614_5).abs() < 1e-14, "{mean:?}");
    for (reduce, expected) in
        [(Reduce::Last, 8.5), (Reduce::Min, -2.25), (Reduce::Max, 8.5), (Reduce::Sum, 11.75)]
    {
        assert_eq!(reduce.measure(&four).expect("a number"), Measurement::from(expected));
    }
    for reduce in ALL {
        let one = reduce.measure(&values(&[1], &[-3.0])).expect("a number");
        assert_eq!(one, Measurement::from(-3.0), "{reduce:?}");
    }
}

#[test]
fn arrays_are_reduced_within_each_event_first() {
    let two = values(&[2, 1, 3], &[1.0, 2.0, 6.0, 0.0, -9.0, 3.0]);
    let mean = Reduce::Mean.measure(&two).expect("a number");
    // The events' means are 3 and -2; their standard deviation is 5 / sqrt(2).
    assert_eq!((mean.mean, mean.sem), (0.5, Some(2.5)));
    for (reduce, expected) in
        [(Reduce::Last, 3.0), (Reduce::Min, -9.0), (Reduce::Max, 6.0), (Reduce::Sum, 3.0)]
    {
        assert_eq!(reduce.measure(&two).expect("a number"), Measurement::from(expected));
    }
}

#[test]
fn what_is_not_finite_is_never_reduced_away() {
    for reduce in ALL {
        let said = permanent(reduce.measure(&values(&[2, 2], &[1.0, 2.0, f64::NAN, 4.0])));
        assert_eq!(said, "expected finite values, found NaN in event 2 of 2", "{reduce:?}");
        for nothing in [values(&[0], &[]), values(&[0, 3], &[]), values(&[2, 0], &[])] {
            let said = permanent(reduce.measure(&nothing));
            assert!(said.contains("found NaN"), "{reduce:?}: {said}");
        }
    }
    let said = permanent(Reduce::Sum.measure(&values(&[2], &[f64::MAX, f64::MAX])));
    assert!(said.contains("found inf"), "{said}");
}

#[test]
fn a_function_is_found_by_its_name() {
    let reduce = Reduce::Custom("reduce tests".into());
    let said = permanent(reduce.measure(&values(&[1], &[1.0])));
    assert!(said.contains("`reduce tests`") && said.contains("register_reduction"), "{said}");
    register_reduction("reduce tests", |values| Ok((values.data.len() as f64, 0.25).into()));
    let nan = values(&[2], &[f64::NAN, 1.0]);
    assert_eq!(reduce.measure(&nan).expect("a number"), Measurement::from((2.0, 0.25)));
    register_reduction("reduce tests", |_| Err("no peak".into()));
    assert_eq!(permanent(reduce.measure(&nan)), "no peak");
    register_reduction("reduce tests", |_| Err(MetricError::NotYet.into()));
    assert!(matches!(reduce.measure(&nan), Err(MetricError::NotYet)));
}

#[test]
fn the_stored_form_is_a_word_or_a_name() {
    for (reduce, form) in [
        (Reduce::Mean, r#""mean""#),
        (Reduce::Last, r#""last""#),
        (Reduce::Min, r#""min""#),
        (Reduce::Max, r#""max""#),
        (Reduce::Sum, r#""sum""#),
        (Reduce::Custom("f".into()), r#"{"custom":"f"}"#),
    ] {
        assert_eq!(serde_json::to_string(&reduce).expect("JSON"), form);
        assert_eq!(serde_json::from_str::<Reduce>(form).expect("a reduction"), reduce);
    }
}

proptest! {
    #[test]
    fn a_reduction_stays_within_its_values(
        rows in prop::collection::vec(prop::collection::vec(-1e6..1e6f64, 4), 1..6)
    ) {
        let data: Vec<f64> = rows.concat();
        let (low, high) = data.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        let array = values(&[rows.len(), 2, 2], &data);
        let number = |reduce: Reduce| reduce.measure(&array).expect("a number").mean;
        prop_assert_eq!((number(Reduce::Min), number(Reduce::Max)), (low, high));
        prop_assert_eq!(number(Reduce::Last), data[data.len() - 1]);
        let mean = number(Reduce::Mean);
        prop_assert!(low - 1e-9 <= mean && mean <= high + 1e-9);
        prop_assert!((number(Reduce::Sum) - mean * data.len() as f64).abs() < 1e-6);
        let sem = Reduce::Mean.measure(&array).expect("a number").sem;
        prop_assert_eq!(sem.is_some(), rows.len() > 1);
        prop_assert!(sem.is_none_or(|sem| 0.0 <= sem && sem <= high - low));
    }
}
