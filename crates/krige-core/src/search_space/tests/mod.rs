//! The search space is held to its promises.

mod constraints;
mod definition;
mod encoding;
mod membership;

use super::*;

fn space(parameters: impl IntoIterator<Item = Parameter>) -> SearchSpace {
    SearchSpace::new(parameters, &[]).unwrap()
}
