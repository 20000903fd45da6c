//! Fronts, volumes and cells against values from the literature and against counting.

use proptest::prelude::*;

use super::*;

fn rows<const M: usize>(points: &[[f64; M]]) -> Vec<Vec<f64>> {
    points.iter().map(|point| point.to_vec()).collect()
}

#[test]
fn dominated_points_and_repetitions_are_left_out() {
    let points = [[1.0, 5.0], [2.0, 4.0], [1.0, 4.0], [2.0, 4.0], [3.0, 0.0], [2.0, 0.0]];
    assert_eq!(non_dominated(&rows(&points)), [0, 1, 4]);
    assert_eq!(non_dominated(&[]), [0_usize; 0]);
}

#[test]
fn volumes_of_known_fronts() {
    let two = [[1.0, 5.0], [2.0, 4.0], [4.0, 3.0], [5.0, 1.0]];
    assert_eq!(hypervolume(&rows(&two), &[0.0; 2]), 16.0);
    let three = [[3.0, 1.0, 2.0], [1.0, 3.0, 2.0], [2.0, 2.0, 1.0], [1.0, 1.0, 3.0]];
    assert_eq!(hypervolume(&rows(&three), &[0.0; 3]), 12.0);
    let four =
        [[3.0, 1.0, 2.0, 2.0], [1.0, 3.0, 2.0, 1.0], [2.0, 2.0, 1.0, 3.0], [1.0, 1.0, 3.0, 2.0]];
    assert_eq!(hypervolume(&rows(&four), &[0.0; 4]), 25.0);
    assert_eq!(hypervolume(&[], &[0.0; 3]), 0.0);
    assert_eq!(hypervolume(&rows(&two), &[1.0, 5.0]), 0.0);
}

/// The front of DTLZ2 is the unit circle; what it leaves of the square above is known.
#[test]
fn the_volume_of_a_circle_is_approached_from_below() {
    let angle = |i: usize, n: usize| i as f64 / n as f64 * std::f64::consts::FRAC_PI_2;
    let front: Vec<Vec<f64>> =
        (0..=400).map(|i| vec![-angle(i, 400).cos(), -angle(i, 400).sin()]).collect();
    let volume = hypervolume(&front, &[-1.1; 2]);
    let exact = 1.21 - std::f64::consts::FRAC_PI_4;
    assert!(volume < exact && volume > exact - 0.003, "{volume} {exact}");
}

#[test]
fn cells_of_two_objectives() {
    let points = [[1.0, 5.0], [2.0, 4.0], [4.0, 3.0], [5.0, 1.0]];
    let lower: Vec<Vec<f64>> =
        open_cells(&rows(&points), &[0.0; 2]).into_iter().map(|cell| cell.lower).collect();
    assert_eq!(lower, rows(&[[0.0, 5.0], [1.0, 4.0], [2.0, 3.0], [4.0, 1.0], [5.0, 0.0]]));
}

#[test]
fn without_points_everything_is_open() {
    for m in 2..=4 {
        let cells = open_cells(&[], &vec![-1.5; m]);
        assert_eq!(cells, [Cell { lower: vec![-1.5; m], upper: vec![f64::INFINITY; m] }]);
    }
}

/// As many cells as were counted for points spread over a sphere: the count decides what an evaluation costs.
#[test]
fn cells_are_few() {
    for (m, n, at_most) in [(2, 50, 51), (3, 10, 26), (3, 50, 130), (4, 10, 70), (4, 50, 700)] {
        let sobol = crate::sobol::Sobol::scrambled(m, 5).unwrap();
        let front: Vec<Vec<f64>> = (0..n)
            .map(|i| {
                let u = sobol.point(i);
                let norm = u.iter().map(|x| x * x).sum::<f64>().sqrt();
                u.iter().map(|x| x / norm).collect()
            })
            .collect();
        let count = open_cells(&front, &vec![-0.1; m]).len();
        assert!(count <= at_most, "{m} {n}: {count}");
    }
}

fn on_a_grid(m: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
    prop::collection::vec(prop::collection::vec((0..5_u8).prop_map(f64::from), m), 0..9)
}

/// Unit boxes of the grid `0..5`, by their lower corners.
fn boxes(m: usize) -> impl Iterator<Item = Vec<f64>> {
    (0..5_usize.pow(m as u32))
        .map(move |number| (0..m).map(|j| ((number / 5_usize.pow(j as u32)) % 5) as f64).collect())
}

proptest! {
    /// Ties in every coordinate: each box above the reference is dominated, or in exactly one cell.
    #[test]
    fn cells_are_disjoint_and_cover_what_is_open(m in 2..5_usize, points in on_a_grid(4)) {
        let points: Vec<Vec<f64>> = points.iter().map(|point| point[..m].to_vec()).collect();
        let reference = vec![0.0; m];
        let general = decompose(&above(&points, &reference), &reference);
        for cells in [general, open_cells(&points, &reference)] {
            let mut dominated = 0;
            for corner in boxes(m) {
                let middle: Vec<f64> = corner.iter().map(|x| x + 0.5).collect();
                let below = |point: &Vec<f64>| middle.iter().zip(point).all(|(x, y)| x < y);
                let inside = |cell: &&Cell| {
                    let bounds = cell.lower.iter().zip(&cell.upper);
                    middle.iter().zip(bounds).all(|(x, (low, high))| low < x && x < high)
                };
                let covered = points.iter().any(below);
                prop_assert_eq!(cells.iter().filter(inside).count(), usize::from(!covered));
                dominated += usize::from(covered);
            }
            prop_assert_eq!(hypervolume(&points, &reference), dominated as f64);
        }
    }
}
