//! Which edits lead from one value to another, touching as little as possible.

use serde_json::Value as Json;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{super::desired::same, Edit, Operation, Step};

/// The edits that lead from `before`, which stands at the path, to `after`, to be made one after the other. `write` gives
/// the form in which a value is written.
///
/// # Errors
/// Those of `write`.
pub fn edits<E>(
    path: &[Step],
    before: &Json,
    after: &Json,
    write: &mut dyn FnMut(&Json) -> Result<serde_yaml::Value, E>,
) -> Result<Vec<Edit>, E> {
    let mut walk = Walk { edits: Vec::new(), write };
    walk.value(&mut path.to_vec(), before, after)?;
    Ok(walk.edits)
}

struct Walk<'w, E> {
    edits: Vec<Edit>,
    write: &'w mut dyn FnMut(&Json) -> Result<serde_yaml::Value, E>,
}

impl<E> Walk<'_, E> {
    fn value(&mut self, path: &mut Vec<Step>, before: &Json, after: &Json) -> Result<(), E> {
        match (before, after) {
            _ if same(before, after) => Ok(()),
            (Json::Object(old), Json::Object(new)) => {
                for (key, after) in new {
                    path.push(Step::Key(key.clone()));
                    match old.get(key) {
                        Some(before) => self.value(path, before, after)?,
                        None => self.set(path, after)?,
                    }
                    path.pop();
                }
                for key in old.keys().filter(|key| !new.contains_key(*key)) {
                    path.push(Step::Key(key.clone()));
                    self.edits.push(Edit { path: path.clone(), operation: Operation::Remove });
                    path.pop();
                }
                Ok(())
            }
            (Json::Array(old), Json::Array(new)) => self.items(path, old, new),
            _ => self.set(path, after),
        }
    }

    fn set(&mut self, path: &[Step], after: &Json) -> Result<(), E> {
        let value = (self.write)(after)?;
        self.edits.push(Edit { path: path.to_vec(), operation: Operation::Set(value) });
        Ok(())
    }

    /// From the end to the beginning, so that the places of what is still to be done stay the same.
    fn items(&mut self, path: &mut Vec<Step>, old: &[Json], new: &[Json]) -> Result<(), E> {
        let text = |items: &[Json]| items.iter().map(Json::to_string).collect::<Vec<_>>();
        for op in capture_diff_slices(Algorithm::Myers, &text(old), &text(new)).into_iter().rev() {
            let (old_range, new_range) = match op {
                DiffOp::Equal { .. } => continue,
                op => (op.old_range(), op.new_range()),
            };
            let pairs = old_range.len().min(new_range.len());
            // Items that are one changed into the other stand at the beginning of both ranges, or at their end.
            let kin = |old_from: usize, new_from: usize| {
                let both = old[old_from..old_from + pairs].iter().zip(&new[new_from..new_from + pairs]);
                both.filter(|(one, other)| are_kin(one, other)).count()
            };
            let (old_end, new_end) = (old_range.end - pairs, new_range.end - pairs);
            let at_end = kin(old_end, new_end) > kin(old_range.start, new_range.start);
            let (old_from, new_from) = if at_end { (old_end, new_end) } else { (old_range.start, new_range.start) };
            let change_pairs = |walk: &mut Self, path: &mut Vec<Step>| {
                for pair in (0..pairs).rev() {
                    path.push(Step::Index(old_from + pair));
                    walk.value(path, &old[old_from + pair], &new[new_from + pair])?;
                    path.pop();
                }
                Ok(())
            };
            if at_end {
                change_pairs(self, path)?;
            }
            let (gone, come) = match at_end {
                true => (old_range.start..old_end, new_range.start..new_end),
                false => (old_range.start + pairs..old_range.end, new_range.start + pairs..new_range.end),
            };
            let place = gone.start;
            for at in gone.rev() {
                self.at(path, at, Operation::Remove);
            }
            for item in new[come].iter().rev() {
                let value = (self.write)(item)?;
                self.at(path, place, Operation::Insert(value));
            }
            if !at_end {
                change_pairs(self, path)?;
            }
        }
        Ok(())
    }

    fn at(&mut self, path: &[Step], at: usize, operation: Operation) {
        let path = path.iter().cloned().chain([Step::Index(at)]).collect();
        self.edits.push(Edit { path, operation });
    }
}

/// Whether one item is rather the other one changed than something else: mappings that agree somewhere.
fn are_kin(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Object(one), Json::Object(other)) => one.iter().any(|(key, value)| other.get(key) == Some(value)),
        _ => false,
    }
}
