//! The distinct ids of a person, and which people fit into one job. Pure.

use efface_connector::{ConnectorError, IdentifierKind, Item, ItemId};

use crate::manifest::MOST_BYTES;

/// One person's distinct ids, as typed: the vendor tells capitals apart.
pub fn ids_of(item: &Item, kinds: &[IdentifierKind]) -> Vec<(IdentifierKind, String)> {
    let mut ids: Vec<(IdentifierKind, String)> = vec![];
    for kind in kinds {
        for identifier in item.of_kind(kind) {
            let id = identifier.typed.expose();
            if !ids.iter().any(|(_, other)| other == id) {
                ids.push((kind.clone(), id.to_owned()));
            }
        }
    }
    ids
}

/// The people of one job and all their ids. Somebody without an id goes along without any and is
/// told so afterwards; a job of none but such people is refused.
pub fn fitting(
    items: &[Item],
    kinds: &[IdentifierKind],
    most: usize,
    overhead: usize,
) -> Result<(Vec<String>, Vec<ItemId>), ConnectorError> {
    let room = usize::try_from(MOST_BYTES).unwrap_or(usize::MAX).saturating_sub(overhead);
    let (mut all, mut people, mut bytes) = (vec![], vec![], 0);
    for item in items {
        let ids = ids_of(item, kinds);
        if ids.len() > most {
            // alone it is refused, in company it is left to come alone
            if people.is_empty() {
                return Err(too_many(ids.len(), most));
            }
            break;
        }
        let quoted =
            |(_, id): &(_, String)| serde_json::to_string(id).map_or(0, |text| text.len()) + 1;
        let more: usize = ids.iter().map(quoted).sum();
        if all.len() + ids.len() > most || bytes + more > room {
            break;
        }
        bytes += more;
        all.extend(ids.into_iter().map(|(_, id)| id));
        people.push(item.id);
    }
    if all.is_empty() { Err(no_id()) } else { Ok((all, people)) }
}

fn too_many(ids: usize, most: usize) -> ConnectorError {
    ConnectorError::person(format!("one person with {ids} distinct ids; a job takes {most}"))
}

pub fn no_id() -> ConnectorError {
    ConnectorError::person("no identifier that is a distinct id here; see distinct_id_from")
}
