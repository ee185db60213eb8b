//! What codes of sources stand for, by the code tables: a sender's own row first, then everybody's.

use crate::case::Setup;
use crate::visit::Payer;
use backbone::{Absent, Cx, Reason, Reject};
use canon::events::billing_charge::ChargeKind;
use canon::{Charge, Code, CodeKey, CodeTable, Date, Item, ItemCode, SenderName};

/// The item that a charge's line is to name: what the tables say for the day of the service, else the code itself. It
/// has to be one of Odoo's, or the charge waits for it.
///
/// What names a charge has no line of its own: whatever its code is, nothing waits for it.
pub(crate) fn item(charge: &Charge, day: Date, cx: &Cx<'_, Setup>) -> Result<String, Reject> {
    let target = target(CodeTable::Charge, &charge.sender, &charge.code, day, cx)?;
    let item = target.clone().unwrap_or_else(|| charge.code.clone());
    let named = charge.reverses.as_ref().filter(|named| **named != charge.charge);
    let names_another = charge.kind != ChargeKind::Charge && named.is_some();
    if cx.setup().known_items_only && !names_another {
        let key = ItemCode::of(&item);
        let key = key.map_err(|_| Reject::new(Reason::Invalid, "FT1-7: the code names no item"))?;
        if let Err(absent) = cx.lookup::<Item>(&key) {
            let reject = Reject::from(absent);
            return Err(if target.is_some() { reject } else { unmapped(charge, reject, cx) });
        }
    }
    Ok(item)
}

/// What is neither mapped nor an item waits for either: for the item, and for a row of the sender's or everybody's.
fn unmapped(charge: &Charge, reject: Reject, cx: &Cx<'_, Setup>) -> Reject {
    let sender: Option<SenderName> = charge.sender.parse().ok();
    let keys = [sender.as_ref(), None].map(|sender| CodeKey::of(CodeTable::Charge, sender, &charge.code));
    let absent = keys.iter().flatten().filter_map(|key| cx.lookup::<Code>(key).err());
    absent.fold(reject, Reject::or)
}

/// Who pays, as Odoo knows them: what the tables say, else the code itself.
pub(crate) fn payer(payer: Option<&Payer>, day: Date, cx: &Cx<'_, Setup>) -> Result<Option<String>, Reject> {
    let Some(Payer { code, sender }) = payer else { return Ok(None) };
    let partner = target(CodeTable::Payer, sender, code, day, cx)?;
    Ok(Some(partner.unwrap_or_else(|| code.clone())))
}

/// What a code stands for on a day. None: no table has it, or says nothing for that day.
fn target(
    table: CodeTable,
    sender: &str,
    code: &str,
    day: Date,
    cx: &Cx<'_, Setup>,
) -> Result<Option<String>, Reject> {
    let sender: Option<SenderName> = sender.parse().ok();
    for sender in [sender.as_ref(), None] {
        // A code that makes no key is in no table.
        let Ok(key) = CodeKey::of(table, sender, code) else { continue };
        let row = match cx.lookup::<Code>(&key) {
            Ok(row) => row,
            Err(Absent::Gone { .. } | Absent::Missing { .. }) => continue,
            Err(unusable) => return Err(unusable.into()),
        };
        let holds = |from: Option<Date>, to: Option<Date>| {
            from.is_none_or(|from| from <= day) && to.is_none_or(|to| day < to)
        };
        let entry = row.entries.iter().find(|entry| holds(entry.valid_from, entry.valid_to));
        if let Some(entry) = entry.filter(|entry| !entry.target.is_empty()) {
            return Ok(Some(entry.target.clone()));
        }
    }
    Ok(None)
}
