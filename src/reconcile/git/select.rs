//! Which of a remote's references is the wanted one.

use git2::Oid;
use semver::Version;

use super::origin::Follow;
use crate::reconcile::content::{FetchError, FetchReason};

/// One reference of a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Full name, such as `refs/heads/main`.
    pub(super) name: String,
    /// What it points at: a commit, or the object of an annotated tag.
    pub(super) id: Oid,
}

/// What a remote says it has.
#[derive(Debug, Default)]
pub(super) struct Advert {
    pub(super) heads: Vec<Head>,
    /// Full name of the branch that its `HEAD` names, when it tells.
    pub(super) default: Option<String>,
}

impl Advert {
    fn find(&self, name: &str) -> Option<&Head> {
        self.heads.iter().find(|head| head.name == name)
    }
}

/// The wanted reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// What people call it: the branch or the tag; nothing for a commit.
    pub(super) label: Option<String>,
    /// Full name of the reference; nothing when only the id is known.
    pub(super) name: Option<String>,
    /// What it points at.
    pub(super) id: Oid,
}

impl Wanted {
    /// Whether it is a branch, whose commits should follow from one another.
    pub(super) fn is_branch(&self) -> bool {
        self.label.is_some() && self.name.as_ref().is_some_and(|name| name.starts_with("refs/heads/"))
    }
}

/// Finds the wanted reference.
pub(super) fn choose(follow: &Follow, advert: &Advert, place: &dyn std::fmt::Display) -> Result<Wanted, FetchError> {
    let gone = |message: String| FetchError::new(FetchReason::RevisionGone, format!("{place}: {message}"));
    let named =
        |head: &Head, label: &str| Wanted { label: Some(label.to_owned()), name: Some(head.name.clone()), id: head.id };
    match follow {
        Follow::Commit(id) => {
            let id = Oid::from_str(id).ok().filter(|_| id.len() == 40).ok_or_else(|| {
                FetchError::new(
                    FetchReason::Misconfigured,
                    format!("{id:?} is no full id of a commit; give its 40 digits"),
                )
            })?;
            let name = advert.heads.iter().find(|head| head.id == id).map(|head| head.name.clone());
            Ok(Wanted { label: None, name, id })
        }
        _ if advert.heads.is_empty() => Err(gone("the repository has no commit yet; push one".to_owned())),
        Follow::Branch(branch) => advert
            .find(&format!("refs/heads/{branch}"))
            .map(|head| named(head, branch))
            .ok_or_else(|| gone(format!("there is no branch {branch:?}; was it deleted or renamed?"))),
        Follow::DefaultBranch => {
            let head = default(advert).ok_or_else(|| {
                gone("its HEAD names no branch that exists; say which one to follow with `branch`".to_owned())
            })?;
            Ok(named(head, head.name.trim_start_matches("refs/heads/")))
        }
        Follow::Tag(tag) => advert
            .find(&format!("refs/tags/{tag}"))
            .map(|head| named(head, tag))
            .ok_or_else(|| gone(format!("there is no tag {tag:?}; was it deleted?"))),
        Follow::Semver(range) => {
            let best = advert
                .heads
                .iter()
                .filter_map(|head| Some((head, head.name.strip_prefix("refs/tags/")?)))
                .filter_map(|(head, tag)| Some((version(tag)?, !tag.starts_with('v'), head, tag)))
                .filter(|(version, ..)| range.matches(version))
                // The order of versions is total, build metadata included; of `1.2.3` and `v1.2.3` the plain one wins.
                .max_by(|left, right| (&left.0, left.1).cmp(&(&right.0, right.1)));
            best.map(|(_, _, head, tag)| named(head, tag))
                .ok_or_else(|| gone(format!("no tag is a version in the range `{range}`")))
        }
    }
}

/// The version that a tag names: `1.2.3` or `v1.2.3`.
fn version(tag: &str) -> Option<Version> {
    Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok()
}

/// The default branch. Old servers do not name it: then it is the branch that `HEAD` equals, the usual names first.
fn default(advert: &Advert) -> Option<&Head> {
    if let Some(name) = &advert.default {
        return advert.find(name);
    }
    let head = advert.find("HEAD")?.id;
    let mut equal: Vec<&Head> =
        advert.heads.iter().filter(|other| other.id == head && other.name.starts_with("refs/heads/")).collect();
    let rank = |name: &str| match name {
        "refs/heads/main" => 0,
        "refs/heads/master" => 1,
        _ => 2,
    };
    equal.sort_by(|left, right| (rank(&left.name), &left.name).cmp(&(rank(&right.name), &right.name)));
    equal.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advert(names: &[&str]) -> Advert {
        let heads = names.iter().enumerate().map(|(n, name)| Head {
            name: (*name).to_owned(),
            id: Oid::from_str(&format!("{:040x}", n + 1)).expect("an id"),
        });
        Advert { heads: heads.collect(), default: None }
    }

    #[test]
    fn the_highest_version_in_the_range_wins() {
        let tags = [
            "refs/heads/9.9.9",
            "refs/tags/v1.2.3",
            "refs/tags/1.10.0",
            "refs/tags/v1.10.0",
            "refs/tags/v1.11.0-rc.1",
            "refs/tags/v2.0.0",
            "refs/tags/app/v1.99.0",
            "refs/tags/latest",
            "refs/tags/v1.5",
        ];
        for (range, expected) in [
            (">=1, <2", Some("1.10.0")),
            ("^1.2, <1.10", Some("v1.2.3")),
            (">=1.11.0-rc.0, <1.12", Some("v1.11.0-rc.1")),
            ("*", Some("v2.0.0")),
            (">=3", None),
        ] {
            let follow = Follow::Semver(range.parse().expect("a range"));
            let chosen = choose(&follow, &advert(&tags), &"here").ok().and_then(|wanted| wanted.label);
            assert_eq!(chosen.as_deref(), expected, "{range}");
        }
    }

    #[test]
    fn a_default_branch_is_found_without_its_name() {
        let mut advert = advert(&["HEAD", "refs/heads/other", "refs/heads/main"]);
        for head in &mut advert.heads {
            head.id = Oid::from_str(&"1".repeat(40)).expect("an id");
        }
        let wanted = choose(&Follow::DefaultBranch, &advert, &"here").expect("a branch");
        assert_eq!(wanted.label.as_deref(), Some("main"));
        advert.default = Some("refs/heads/gone".to_owned());
        let error = choose(&Follow::DefaultBranch, &advert, &"here").expect_err("no branch");
        assert_eq!(error.reason, FetchReason::RevisionGone);
    }
}
