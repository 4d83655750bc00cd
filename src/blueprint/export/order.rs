//! The order of entries: what is referred to stands before what refers to it.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
};

/// Orders nodes so that each comes after those that it depends on, and among those that are free the first comes first.
///
/// `dependencies` lists for each node the nodes that it depends on, none of them twice. Circles are cut: the node that
/// is put too early then is one whose open dependencies all lead back to it.
pub(super) fn order(dependencies: &[Vec<usize>]) -> Vec<usize> {
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); dependencies.len()];
    let mut open: Vec<usize> = vec![0; dependencies.len()];
    for (node, needed) in dependencies.iter().enumerate() {
        for needed in needed.iter().filter(|needed| **needed != node) {
            dependents[*needed].push(node);
            open[node] += 1;
        }
    }
    let mut free: BinaryHeap<Reverse<usize>> =
        open.iter().enumerate().filter(|(_, open)| **open == 0).map(|(node, _)| Reverse(node)).collect();
    let mut done = vec![false; dependencies.len()];
    let mut ordered = Vec::with_capacity(dependencies.len());
    let mut first = 0;
    loop {
        let node = match free.pop() {
            Some(Reverse(node)) => node,
            None => match (first..done.len()).find(|node| !done[*node]) {
                Some(node) => {
                    first = node;
                    deepest(dependencies, &done, node)
                }
                None => return ordered,
            },
        };
        done[node] = true;
        ordered.push(node);
        for dependent in &dependents[node] {
            open[*dependent] -= 1;
            if open[*dependent] == 0 && !done[*dependent] {
                free.push(Reverse(*dependent));
            }
        }
    }
}

/// Walks from a node along open dependencies for as long as there is one not walked yet. Where the walk ends, every
/// open dependency is on the way that led there, so it is in a circle with the last node.
fn deepest(dependencies: &[Vec<usize>], done: &[bool], start: usize) -> usize {
    let mut walked = HashSet::from([start]);
    let mut node = start;
    while let Some(next) =
        dependencies[node].iter().copied().filter(|next| !done[*next] && !walked.contains(next)).min()
    {
        walked.insert(next);
        node = next;
    }
    node
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn dependencies_come_first_and_circles_are_cut_inside_themselves() {
        let cases: [(&[&[usize]], &[usize]); 6] = [
            (&[], &[]),
            (&[&[], &[], &[]], &[0, 1, 2]),
            (&[&[2], &[], &[1]], &[1, 2, 0]),
            // A node that depends on itself is not in its own way.
            (&[&[0], &[0]], &[0, 1]),
            // 1 and 2 are a circle, 0 only hangs on it and waits.
            (&[&[1], &[2], &[1]], &[2, 1, 0]),
            // Two circles, one hanging on the other: each is cut once.
            (&[&[1, 2], &[0], &[3], &[2]], &[1, 3, 2, 0]),
        ];
        for (dependencies, expected) in cases {
            let dependencies: Vec<Vec<usize>> = dependencies.iter().map(|needed| needed.to_vec()).collect();
            assert_eq!(order(&dependencies), expected, "{dependencies:?}");
        }
    }
}
