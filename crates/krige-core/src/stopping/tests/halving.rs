//! Successive halving: by hand, and what holds for any curves.

use proptest::prelude::*;

use super::*;

#[test]
fn a_third_of_those_at_the_highest_rung_goes_on() {
    let flat = |y: f64, length: usize| steps(&vec![y; length]);
    // Rungs 1, 3 and 9: seven trials came to 1, six of them to 3, three of these to 9.
    let lengths = [(1.0, 2), (7.0, 3), (6.0, 4), (5.0, 8), (4.0, 9), (3.0, 10), (2.0, 26)];
    let lab = running_all("y", &lengths.map(|(y, length)| flat(y, length)));
    assert_eq!(stopped(&halving(1.0, 3.0), &lab.experiment), [0, 3, 5, 6]);
    assert_eq!(
        halving(1.0, 3.0).verdict(&lab.experiment, 6).unwrap(),
        "`y` is 2 at rung 9, where 2 of 3 trials are better and 1 may go on"
    );
    assert_eq!(
        halving(1.0, 3.0).verdict(&lab.experiment, 3).unwrap(),
        "`y` is 5 at rung 3, where 2 of 6 trials are better and 2 may go on"
    );
    // Rungs 2, 4, 8 and 16: half of seven, of five and of four go on, and the last one is alone at its rung.
    assert_eq!(stopped(&halving(2.0, 2.0), &lab.experiment), [0, 5]);
}

#[test]
fn the_first_at_a_rung_goes_on_and_is_stopped_when_a_better_one_follows() {
    let mut lab = running_all("-y", &[steps(&[3.0; 5])]);
    assert_eq!(stopped(&halving(4.0, 2.0), &lab.experiment), NONE);
    running(&mut lab, &steps(&[2.0; 4]));
    assert_eq!(stopped(&halving(4.0, 2.0), &lab.experiment), [0]);
    running(&mut lab, &steps(&[1.0; 3]));
    assert_eq!(stopped(&halving(4.0, 2.0), &lab.experiment), [0], "not there yet");
}

#[test]
fn a_value_at_a_rung_is_interpolated_and_equals_go_on_together() {
    let curves = [vec![(2.0, 0.0), (6.0, 4.0)], steps(&[2.0; 4]), steps(&[1.5; 4])];
    let lab = running_all("y", &curves);
    assert_eq!(stopped(&halving(4.0, 2.0), &lab.experiment), [2]);
    // What was not observed before the rung has no value there.
    let lab = running_all("y", &[steps(&[2.0; 4]), vec![(5.0, 0.0)]]);
    assert_eq!(stopped(&halving(4.0, 2.0), &lab.experiment), NONE);
}

fn curves() -> impl Strategy<Value = Vec<Vec<f64>>> {
    prop::collection::vec(prop::collection::vec((0..12).prop_map(f64::from), 1..14), 1..9)
}

proptest! {
    /// Curves of steps: a value at a rung is read off, without interpolation.
    #[test]
    fn it_stops_what_a_plain_count_stops(curves in curves(), factor in 2..5_usize, first in 1..4_usize) {
        let lab = running_all("-y", &curves.iter().map(|curve| steps(curve)).collect::<Vec<_>>());
        let mut expected = Vec::new();
        for (trial, curve) in curves.iter().enumerate() {
            let mut rungs = (0..4).map(|k| first * factor.pow(k)).filter(|rung| *rung <= curve.len());
            let Some(rung) = rungs.next_back() else { continue };
            let mut there: Vec<f64> =
                curves.iter().filter(|c| c.len() >= rung).map(|c| c[rung - 1]).collect();
            there.sort_by(f64::total_cmp);
            let worst_that_goes_on = there[(there.len() / factor).max(1) - 1];
            if curve[rung - 1] > worst_that_goes_on {
                expected.push(trial);
            }
        }
        prop_assert_eq!(stopped(&halving(first as f64, factor as f64), &lab.experiment), expected);
    }

    #[test]
    fn the_best_at_the_highest_rung_is_never_stopped(curves in curves()) {
        let lab = running_all("y", &curves.iter().map(|curve| steps(curve)).collect::<Vec<_>>());
        for factor in [2.0, 3.0, 10.0] {
            let gone = stopped(&halving(1.0, factor), &lab.experiment);
            prop_assert!(gone.len() < curves.len());
        }
    }

    #[test]
    fn a_better_curve_is_not_stopped_where_a_worse_one_is_not(curves in curves(), gain in 0..5) {
        let mut curves = curves;
        let before = running_all("y", &curves.iter().map(|curve| steps(curve)).collect::<Vec<_>>());
        curves[0].iter_mut().for_each(|y| *y += f64::from(gain));
        let after = running_all("y", &curves.iter().map(|curve| steps(curve)).collect::<Vec<_>>());
        let stops = |lab: &Lab| halving(1.0, 2.0).verdict(&lab.experiment, 0).is_some();
        prop_assert!(stops(&before) || !stops(&after));
    }
}
