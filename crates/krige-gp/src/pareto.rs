//! Several objectives at once: which points are worth having, how much, and where there is room for more.
//!
//! Larger is better in every objective.

/// A box of objective values, half open; an upper bound may be infinite.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Shape `[m]`, finite.
    pub lower: Vec<f64>,
    /// Shape `[m]`, each above its lower bound.
    pub upper: Vec<f64>,
}

/// Returns the indices of the rows of `points`, shape `[n][m]`, that no other row dominates: is at least as good
/// everywhere and better somewhere. Of rows that are equal the first stays.
pub fn non_dominated(points: &[Vec<f64>]) -> Vec<usize> {
    let covers = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a >= b);
    (0..points.len())
        .filter(|&i| {
            !(0..points.len()).any(|j| {
                covers(&points[j], &points[i])
                    && (j < i || !covers(&points[i], &points[j]))
                    && j != i
            })
        })
        .collect()
}

/// Returns the volume of what lies above `reference`, shape `[m]`, and below at least one of `points`, shape
/// `[n][m]`.
pub fn hypervolume(points: &[Vec<f64>], reference: &[f64]) -> f64 {
    let above = above(points, reference);
    let Some(first) = above.first() else {
        return 0.0;
    };
    let ideal = above.iter().fold(first.clone(), |ideal, point| {
        ideal.iter().zip(point).map(|(a, b)| a.max(*b)).collect()
    });
    let volume = |lower: &[f64], upper: &[f64]| -> f64 {
        let sides = lower.iter().zip(upper).zip(&ideal);
        sides.map(|((low, high), ideal)| (high.min(*ideal) - low).max(0.0)).product()
    };
    let open = open_cells(points, reference);
    volume(reference, &ideal) - open.iter().map(|c| volume(&c.lower, &c.upper)).sum::<f64>()
}

/// Returns disjoint cells that cover everything above `reference`, shape `[m]` with m >= 2, that no row of `points`,
/// shape `[n][m]`, dominates.
///
/// Two objectives take a sweep and n + 1 cells; more of them the decomposition of Lacour et al. 2017.
pub fn open_cells(points: &[Vec<f64>], reference: &[f64]) -> Vec<Cell> {
    let front = above(points, reference);
    if reference.len() == 2 { sweep(front, reference) } else { decompose(&front, reference) }
}

/// The non-dominated points that are better than the reference in every objective.
fn above(points: &[Vec<f64>], reference: &[f64]) -> Vec<Vec<f64>> {
    let better = |point: &&Vec<f64>| point.iter().zip(reference).all(|(y, r)| y > r);
    let points: Vec<Vec<f64>> = points.iter().filter(better).cloned().collect();
    non_dominated(&points).into_iter().map(|i| points[i].clone()).collect()
}

fn sweep(mut front: Vec<Vec<f64>>, reference: &[f64]) -> Vec<Cell> {
    front.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let mut cells = Vec::with_capacity(front.len() + 1);
    let mut left = reference[0];
    for point in &front {
        let (lower, upper) = (vec![left, point[1]], vec![point[0], f64::INFINITY]);
        cells.push(Cell { lower, upper });
        left = point[0];
    }
    cells.push(Cell { lower: vec![left, reference[1]], upper: vec![f64::INFINITY; 2] });
    cells
}

/// A local upper bound of minimized values, with the points that define each of its coordinates.
#[derive(Debug, Clone)]
struct LocalBound {
    /// Shape `[m]`.
    u: Vec<f64>,
    /// Shape `[m][m]`; the j-th point has the bound's j-th coordinate.
    defining: Vec<Vec<f64>>,
}

impl LocalBound {
    /// The only bound while there are no points: `top`, defined by points that lie at `bottom` otherwise.
    fn first(top: &[f64], bottom: &[f64]) -> Self {
        let defining = (0..top.len()).map(|j| {
            let mut point = bottom.to_vec();
            point[j] = top[j];
            point
        });
        Self { u: top.to_vec(), defining: defining.collect() }
    }

    /// The largest `j`-th coordinate of the defining points of those coordinates.
    fn largest(&self, j: usize, of: impl Iterator<Item = usize>) -> f64 {
        of.map(|i| self.defining[i][j]).fold(f64::NEG_INFINITY, f64::max)
    }
}

/// Updates the bounds by one more point. Lacour et al. 2017, algorithm 2 (points that are not in general position are
/// allowed: they leave bounds of empty cells).
fn insert(bounds: &mut Vec<LocalBound>, point: &[f64]) {
    let m = point.len();
    let mut split = Vec::new();
    bounds.retain(|bound| {
        let inside = point.iter().zip(&bound.u).all(|(z, u)| z < u);
        if inside {
            split.push(bound.clone());
        }
        !inside
    });
    for bound in split {
        for j in 0..m {
            if point[j] >= bound.largest(j, (0..m).filter(|&i| i != j)) {
                let mut new = bound.clone();
                new.u[j] = point[j];
                new.defining[j] = point.to_vec();
                bounds.push(new);
            }
        }
    }
}

/// Twice the same: the local bounds of the front, and the local bounds of those, whose boxes are the cells.
fn decompose(front: &[Vec<f64>], reference: &[f64]) -> Vec<Cell> {
    let m = reference.len();
    let negated = |point: &[f64]| -> Vec<f64> { point.iter().map(|y| -y).collect() };
    let mut outer = vec![LocalBound::first(&negated(reference), &vec![f64::NEG_INFINITY; m])];
    for point in front {
        insert(&mut outer, &negated(point));
    }
    let mut inner = vec![LocalBound::first(&vec![f64::INFINITY; m], reference)];
    for bound in &outer {
        insert(&mut inner, &negated(&bound.u));
    }
    inner
        .iter()
        .map(|bound| {
            let lower = (0..m).map(|j| if j == 0 { bound.u[0] } else { bound.largest(j, 0..j) });
            let upper = (0..m).map(|j| if j == 0 { f64::INFINITY } else { bound.u[j] });
            Cell { lower: lower.collect(), upper: upper.collect() }
        })
        .filter(|cell| cell.lower.iter().zip(&cell.upper).all(|(low, high)| low < high))
        .collect()
}

#[cfg(test)]
#[path = "pareto_tests.rs"]
mod tests;
