//! Which measurements to predict from when there are too many for an exact model.

use crate::kernel::Kernel;

/// Exact prediction from n measurements costs their cube; beyond this many, only [`NEAR`] and [`SPREAD`]
/// of them are used.
pub(crate) const EXACT_UP_TO: usize = 2000;

/// Measurements nearest to the best ones.
const NEAR: usize = 800;

/// Measurements spread evenly over the distances of the others.
const SPREAD: usize = 200;

/// Returns the rows of `x`, shape `[n][d]`, from which to predict near the rows numbered `centres`, in
/// ascending order: the nearest ones in units of the lengthscales, and a few of all others.
///
/// A prediction far from the centres is that of a model with fewer data: less certain, not wrong.
pub(crate) fn neighbourhood(x: &[Vec<f64>], kernel: &Kernel, centres: &[usize]) -> Vec<usize> {
    let centres: Vec<&Vec<f64>> = centres.iter().map(|&c| &x[c]).collect();
    let distance = |u: &Vec<f64>| {
        centres.iter().map(|c| kernel.squared_distance(c, u)).fold(f64::INFINITY, f64::min)
    };
    let mut order: Vec<(f64, usize)> =
        x.iter().enumerate().map(|(i, u)| (distance(u), i)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let (near, far) = order.split_at(NEAR.min(order.len()));
    let spread = SPREAD.min(far.len());
    let mut chosen: Vec<usize> = near.iter().map(|(_, i)| *i).collect();
    chosen.extend((0..spread).map(|k| far[(2 * k + 1) * far.len() / (2 * spread)].1));
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::KernelKind;

    #[test]
    fn the_nearest_are_all_there_and_the_others_are_spread() {
        let n = 3000;
        let x: Vec<Vec<f64>> =
            (0..n).map(|i| vec![((i * 7919) % n) as f64 / n as f64, (i % 2) as f64]).collect();
        let kernel = Kernel {
            kind: KernelKind::Matern52,
            lengthscales: vec![0.1, 100.0],
            rotation: None,
            outputscale: 1.0,
            categorical: vec![false; 2],
        };
        let centre = x.iter().position(|u| u[0] == 0.5).unwrap();
        let chosen = neighbourhood(&x, &kernel, &[centre]);
        assert_eq!(chosen.len(), NEAR + SPREAD);
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
        // 800 of 3000 on a line are those within 0.13.
        for (i, u) in x.iter().enumerate() {
            if (u[0] - 0.5).abs() < 0.13 {
                assert!(chosen.contains(&i));
            }
        }
        for cell in 0..20 {
            let (low, high) = (f64::from(cell) / 20.0, f64::from(cell + 1) / 20.0);
            assert!(chosen.iter().any(|&i| x[i][0] >= low && x[i][0] < high));
        }
    }
}
