//! The events of an account, page by page, wherever they are: in the database, or in the files of months that were archived.

use std::ops::RangeInclusive;

use chrono::{NaiveDate, TimeDelta};
use entity::ids::{AccountId, EventId, PeriodId};
use entity::usage_event::{Column, Entity, Model};
use entity::{Time, usage_archive};
use sea_orm::sea_query::Values;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, DbErr, EntityTrait as _, FromQueryResult as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, QueryTrait as _,
};
use uuid::Uuid;

use super::archive::file::File;
use super::archive::{Archive, Month, ReadError};

/// An event's id is made at most so long after the instant that it is booked at.
const SLACK: TimeDelta = TimeDelta::days(1);

/// Which events of an account.
#[derive(Debug, Clone, Copy)]
pub enum Which {
    All,
    /// Those of a billing period: what its invoice charges.
    Period(PeriodId),
    /// From the first instant to before the second, in the account's own time.
    Between(Time, Time),
    /// The same of an account that has moved its clock: ids do not lead there.
    BetweenMoved(Time, Time),
}

/// Reads events in the order of their ids. Each page begins behind the last one's end.
pub struct Events {
    db: DatabaseConnection,
    archive: Archive,
    account: AccountId,
    which: Which,
    newest_first: bool,
    file: Option<(NaiveDate, File)>,
    part: Option<Part>,
}

/// The part of a file that was read last: most pages begin where the one before it ended.
struct Part {
    month: NaiveDate,
    index: usize,
    /// The account's own that were asked for, in the order that was asked for.
    events: Vec<Model>,
}

/// The first UUIDv7 of an instant and something. They have 48 bits of milliseconds from 1970 on.
pub(super) fn first_id(at: Time, shift: TimeDelta) -> EventId {
    let milliseconds = at.timestamp_millis().saturating_add(shift.num_milliseconds()).clamp(0, (1 << 48) - 1);
    EventId(Uuid::from_u128(u128::from(milliseconds.unsigned_abs()) << 80))
}

impl Events {
    /// Oldest first.
    pub fn of(db: &DatabaseConnection, archive: &Archive, account: AccountId, which: Which) -> Self {
        Self { db: db.clone(), archive: archive.clone(), account, which, newest_first: false, file: None, part: None }
    }

    /// The other way round.
    pub fn newest_first(self) -> Self {
        Self { newest_first: true, ..self }
    }

    /// The next `most` events behind one. Fewer only when there are no more.
    ///
    /// # Errors
    /// When the database refuses, or an archived month cannot be read: never less than there is.
    pub async fn page(&mut self, behind: Option<EventId>, most: usize) -> Result<Vec<Model>, ReadError> {
        // What is left of a part leaves to the database but the strays between.
        let rest = self.part.as_ref().and_then(|part| part.behind(behind?, self.newest_first)).filter(|rest| rest.len() >= most);
        if let Some(rest) = rest.map(|rest| rest[..most].to_vec()) {
            let until = rest.last().map(|event| event.id);
            let (_, found) = self.in_database(behind, until, most).await?;
            return Ok(self.merged(rest, found, most));
        }
        loop {
            let (months, found) = self.in_database(behind, None, most).await?;
            // A month that was brought back after that is in the database now.
            let until = found.last().filter(|_| found.len() == most).map(|event| event.id);
            if let Some(archived) = self.in_files(&months, behind, until, most).await? {
                return Ok(self.merged(archived, found, most));
            }
        }
    }

    /// All of them at once.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub async fn all(mut self) -> Result<Vec<Model>, ReadError> {
        const PAGE: usize = 10_000;
        let mut events = Vec::new();
        loop {
            let page = self.page(events.last().map(|event: &Model| event.id), PAGE).await?;
            let more = page.len() == PAGE;
            events.extend(page);
            if !more {
                return Ok(events);
            }
        }
    }

    /// Those of the database, and the months that have others in files. Both by one statement: it has locked `usage_event`
    /// before it takes its snapshot, so that a month which is archived or brought back meanwhile is in one of the two.
    async fn in_database(
        &self,
        behind: Option<EventId>,
        until: Option<EventId>,
        most: usize,
    ) -> Result<(Vec<NaiveDate>, Vec<Model>), DbErr> {
        let ids = self.between(behind, until);
        let mut query = Entity::of(self.account).filter(Column::Id.gte(*ids.start())).filter(Column::Id.lte(*ids.end()));
        query = query.apply_if(behind, |query, id| query.filter(Column::Id.ne(id)));
        query = match self.which {
            Which::All => query,
            Which::Period(period) => query.filter(Column::PeriodId.eq(period)),
            Which::Between(from, to) | Which::BetweenMoved(from, to) => query.filter(Column::At.gte(from)).filter(Column::At.lt(to)),
        };
        query = if self.newest_first { query.order_by_desc(Column::Id) } else { query.order_by_asc(Column::Id) };
        let mut page = query.limit(most as u64).build(self.db.get_database_backend());
        let order = if self.newest_first { "DESC" } else { "" };
        let values = page.values.get_or_insert(Values(Vec::new()));
        let (first, last) = (Month::of_id(*ids.start()).date(), Month::of_id(*ids.end()).date());
        values.0.extend([self.account.0.into(), first.into(), last.into()]);
        let [account, first, last] = [2, 1, 0].map(|from_end| values.0.len() - from_end);
        let mut own = format!("s.account_id = ${account} AND s.month = a.month");
        if let Which::Period(period) = self.which {
            values.0.push(period.0.into());
            own += &format!(" AND s.period_id = ${}", values.0.len());
        }
        page.sql = format!(
            "SELECT archived.months, e.* FROM (SELECT ARRAY(
                 SELECT month FROM usage_archive a WHERE month BETWEEN ${first} AND ${last}
                 AND EXISTS (SELECT 1 FROM usage_archived s WHERE {own}) ORDER BY 1) AS months) archived
             LEFT JOIN ({}) e ON true ORDER BY e.id {order}",
            page.sql
        );
        let rows = self.db.query_all_raw(page).await?;
        let Some(row) = rows.first() else { return Ok((Vec::new(), Vec::new())) };
        let months = row.try_get("", "months")?;
        // Without events there is one row, of nothing but months.
        if row.try_get::<Option<Uuid>>("", "id")?.is_none() {
            return Ok((months, Vec::new()));
        }
        Ok((months, rows.iter().map(|row| Model::from_query_result(row, "")).collect::<Result<_, _>>()?))
    }

    /// Those of archived months between two events. None when one of the months is archived no more.
    async fn in_files(
        &mut self,
        months: &[NaiveDate],
        behind: Option<EventId>,
        until: Option<EventId>,
        most: usize,
    ) -> Result<Option<Vec<Model>>, ReadError> {
        let ids = self.between(behind, until);
        let meets = |month: &&NaiveDate| {
            let own = Month::from(**month).ids();
            own.start() <= ids.end() && ids.start() <= own.end()
        };
        let mut months: Vec<_> = months.iter().filter(meets).copied().collect();
        if self.newest_first {
            months.reverse();
        }
        let mut events = Vec::new();
        for month in months {
            let Some(file) = self.file(month).await? else { return Ok(None) };
            let mut parts = file.parts_with(self.account, &ids);
            if self.newest_first {
                parts.reverse();
            }
            for index in parts {
                if events.len() >= most {
                    return Ok(Some(events));
                }
                let newest_first = self.newest_first;
                let part = self.part(&file, month, index).await?;
                let from = behind.map_or(0, |id| part.position(id, newest_first));
                events.extend(part.events[from..].iter().take(most - events.len()).cloned());
            }
        }
        Ok(Some(events))
    }

    async fn file(&mut self, month: NaiveDate) -> Result<Option<File>, ReadError> {
        if let Some((_, file)) = self.file.as_ref().filter(|(open, _)| *open == month) {
            return Ok(Some(file.clone()));
        }
        let Some(row) = usage_archive::Entity::find_by_id(month).one(&self.db).await? else { return Ok(None) };
        let file = File::open(&self.archive, row).await?;
        self.file = Some((month, file.clone()));
        Ok(Some(file))
    }

    async fn part(&mut self, file: &File, month: NaiveDate, index: usize) -> Result<&Part, ReadError> {
        let part = match self.part.take().filter(|part| (part.month, part.index) == (month, index)) {
            Some(part) => part,
            None => {
                let mut events = file.part(index, Some(self.account)).await?;
                events.retain(|event| self.is_asked(event));
                if self.newest_first {
                    events.reverse();
                }
                Part { month, index, events }
            }
        };
        Ok(self.part.insert(part))
    }

    /// As the database filters.
    fn is_asked(&self, event: &Model) -> bool {
        let which = match self.which {
            Which::All => true,
            Which::Period(period) => event.period_id == period,
            Which::Between(from, to) | Which::BetweenMoved(from, to) => (from..to).contains(&event.at),
        };
        which && event.account_id == self.account && self.ids().contains(&event.id)
    }

    /// Ids begin with the wall clock's time, so a stretch of time leads to the partitions, the files and the rows in question.
    fn ids(&self) -> RangeInclusive<EventId> {
        match self.which {
            Which::Between(from, to) => first_id(from, -SLACK)..=first_id(to, SLACK),
            _ => EventId(Uuid::nil())..=EventId(Uuid::max()),
        }
    }

    /// Those of the ids that are between two events.
    fn between(&self, behind: Option<EventId>, until: Option<EventId>) -> RangeInclusive<EventId> {
        let ids = self.ids();
        let (low, high) = if self.newest_first { (until, behind) } else { (behind, until) };
        low.map_or(*ids.start(), |id| id.max(*ids.start()))..=high.map_or(*ids.end(), |id| id.min(*ids.end()))
    }

    /// The first of both. A month that was brought back may be in both.
    fn merged(&self, archived: Vec<Model>, found: Vec<Model>, most: usize) -> Vec<Model> {
        if archived.is_empty() {
            return found;
        }
        let mut events = archived;
        events.extend(found);
        events.sort_by_key(|event| event.id);
        events.dedup_by_key(|event| event.id);
        if self.newest_first {
            events.reverse();
        }
        events.truncate(most);
        events
    }
}

impl Part {
    /// How many of them are not behind an event.
    fn position(&self, id: EventId, newest_first: bool) -> usize {
        self.events.partition_point(|event| if newest_first { event.id >= id } else { event.id <= id })
    }

    /// Those behind an event that is one of them, or stands between them.
    fn behind(&self, id: EventId, newest_first: bool) -> Option<&[Model]> {
        let position = self.position(id, newest_first);
        (position > 0).then(|| &self.events[position..])
    }
}
