//! The doctor's look at keys: each month's is where it must be, and so is its copy.

use std::{fs, path::Path};

use efface_store::MonthKeyRow;
use efface_vault::MonthKeys as _;

use super::Report;
use crate::{
    print,
    wiring::{
        Context,
        keys::{MASTER_COPY, file_in},
    },
};

const KEY: &str = "month's key";
const COPY: &str = "recovery copy";

pub async fn keys(context: &Context, report: &mut Report) {
    let rows = match context.store.month_keys().await {
        Ok(rows) => rows,
        Err(error) => return report.fail(KEY, error.to_string(), "the database cannot be read"),
    };
    let (gone, standing): (Vec<&MonthKeyRow>, Vec<&MonthKeyRow>) =
        rows.iter().partition(|row| row.destroyed.is_some());
    for row in &gone {
        let folders = [Some(context.keys.folder()), context.keys.recovery()];
        for folder in folders.into_iter().flatten() {
            let file = file_in(folder, &row.month);
            if file.exists() {
                report.fail(
                    KEY,
                    format!("{} is back: the key of {} was destroyed", file.display(), row.month),
                    &format!("`efface key destroy-month {}` removes it again", row.month),
                );
            }
        }
    }
    let mut well = 0;
    for row in &standing {
        match context.keys.key(&row.month) {
            Ok(key) if key.id() == row.key_id => well += 1,
            Ok(_) => report.fail(
                KEY,
                format!("the file of {} holds another key than this database's", row.month),
                "copy the file from the machine that made it, or from the recovery copy",
            ),
            Err(error) => report.fail(
                KEY,
                format!("{}: missing or unusable: {error}", row.month),
                "bring the file back from the recovery copy",
            ),
        }
    }
    if well == standing.len() {
        report.ok(KEY, format!("{} there and right", print::count(well, "key")));
    }
    copies(context, &standing, report);
}

/// Each copy is opened, for one that was never tried is none.
fn copies(context: &Context, standing: &[&MonthKeyRow], report: &mut Report) {
    let Some(folder) = context.keys.recovery() else {
        return report.warn(
            COPY,
            "none: if this disk is lost, nothing can be read again",
            "set vault.recovery_folder to a folder on another disk or machine, then `efface key init`",
        );
    };
    let mut wrong: Vec<String> = vec![];
    let master = folder.join(MASTER_COPY);
    let own = context.settings.vault.master_key_text();
    let same = own.is_ok_and(|own| {
        fs::read_to_string(&master).is_ok_and(|copy| copy.trim() == own.expose().trim())
    });
    if !same {
        wrong.push(master.display().to_string());
    }
    let unlike = |row: &&&MonthKeyRow| !context.keys.opens(folder, &row.month, &row.key_id);
    let missing = standing.iter().filter(unlike);
    wrong.extend(missing.map(|row| file_in(folder, &row.month).display().to_string()));
    if wrong.is_empty() {
        report.ok(COPY, format!("tried: {} holds every key", shown(folder)));
    } else {
        report.fail(
            COPY,
            format!("missing or wrong: {}", wrong.join(", ")),
            "`efface key init` copies what is missing; what is wrong there is moved away first",
        );
    }
}

fn shown(folder: &Path) -> String {
    folder.display().to_string()
}
