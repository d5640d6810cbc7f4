//! Reading parts of an entry: a leaf without its items, an item without its leaf.
//!
//! [`Entry::read`](super::Entry::read) wants all items. Whoever was given one of them and a path
//! reads the parts and checks the path against the sub-root.

use super::{About, Body, Error, FORMAT, Hash, TaskChange};
use crate::{EntryId, Timestamp};

/// A leaf's body, read on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    pub id: EntryId,
    pub at: Timestamp,
    pub actor: String,
    pub about: About,
    /// The tree of the entry's items; none where it has none.
    pub items: Option<SubTree>,
}

/// The tree over an entry's items, as the leaf states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubTree {
    pub count: u32,
    pub root: Hash,
}

impl Leaf {
    /// # Errors
    /// [`Error`] when it is unreadable, newer than this reader, or states a sub-root that is none.
    pub fn read(body: &str) -> Result<Self, Error> {
        let read = Body::read(body)?;
        let items = match read.items {
            None => None,
            Some(stated) => {
                let mut root = [0; 32];
                hex::decode_to_slice(&stated.root, &mut root)
                    .map_err(|_| Error::SubRoot { entry: read.id })?;
                Some(SubTree { count: stated.count, root })
            }
        };
        Ok(Self { id: read.id, at: read.at, actor: read.actor, about: read.about, items })
    }
}

impl Body {
    pub(super) fn read(body: &str) -> Result<Self, Error> {
        let read: Self = serde_json::from_str(body).map_err(|source| Error::Unreadable {
            entry: body.chars().take(60).collect(),
            source,
        })?;
        if read.format > FORMAT {
            return Err(Error::Newer { entry: read.id, format: read.format });
        }
        Ok(read)
    }
}

impl TaskChange {
    /// Reads one item's line; `entry` names the entry it stands in.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn read(entry: EntryId, line: &str) -> Result<Self, Error> {
        serde_json::from_str(line)
            .map_err(|source| Error::Unreadable { entry: entry.to_string(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Entry, sub_root};
    use super::*;

    #[test]
    fn a_leaf_and_its_items_are_read_apart_as_together() {
        let id = EntryId(uuid::Uuid::from_u128(1));
        let task = crate::task::tests::sample();
        let about = || About::TasksMoved { cause: "phase opened".into() };
        for count in 0..3 {
            let changes = vec![TaskChange::birth(&task, "planned"); count];
            let entry = Entry::new(id, Timestamp::from_millis(5), "test", about(), &changes);
            let leaf = Leaf::read(&entry.body).expect("reads");
            let lines: Vec<&str> = entry.items.lines().collect();
            let stated = (count > 0).then(|| SubTree {
                count: u32::try_from(count).expect("few"),
                root: sub_root(lines.iter().copied()),
            });
            assert_eq!((leaf.id, &leaf.about, leaf.items), (id, &about(), stated));
            let read: Vec<TaskChange> =
                lines.iter().map(|l| TaskChange::read(id, l).expect("reads")).collect();
            assert_eq!(read, changes);
            let newer = entry.body.replace("\"format\":1", "\"format\":99");
            assert!(matches!(Leaf::read(&newer), Err(Error::Newer { format: 99, .. })));
            let cut = leaf.items.map(|s| entry.body.replace(&hex::encode(s.root), "00"));
            assert!(cut.is_none_or(|cut| matches!(Leaf::read(&cut), Err(Error::SubRoot { .. }))));
        }
        assert!(matches!(Leaf::read("{}"), Err(Error::Unreadable { .. })));
        assert!(matches!(TaskChange::read(id, "{}"), Err(Error::Unreadable { .. })));
    }
}
