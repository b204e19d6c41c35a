//! Events to the bytes of a file, and back. A file is a row of parts, the row groups, and a footer, which has the bounds and the
//! SHA-256 of each part: so a part can be read alone and is known to be what was written.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use bytes::{Buf as _, Bytes, buf};
use entity::ids::{AccountId, EventId};
use entity::usage_event::Model as Event;
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::reader::{ColumnReaderImpl, GenericColumnReader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use uuid::Uuid;

use super::column::{ACCOUNT, COLUMNS, Column, ID, Kind, blank};
use crate::platform::secret::sha256;

/// Under what the footer has the SHA-256 of the parts, in hex with spaces between.
const HASHES: &str = "lensmeter.sha256";
/// Behind what the footer says: its length in four bytes, and `PAR1`.
const TAIL: usize = 8;

/// Events in the order of account and id become the parts of a file, one after the other.
pub(super) struct Writer {
    file: SerializedFileWriter<Vec<u8>>,
    hashes: Vec<String>,
}

impl Writer {
    pub fn new() -> Result<Self> {
        let columns: String = COLUMNS.iter().map(|column| column.kind.declared(column.name)).collect();
        let schema = parse_message_type(&format!("message usage_event {{ {columns} }}"))?;
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            // Of a part, not of each page in it.
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            // Not by the version of a crate: the same events are the same bytes.
            .set_created_by("lensmeter".into());
        for column in &COLUMNS {
            if let Some(encoding) = column.encoding {
                let path = ColumnPath::from(column.name);
                properties = properties.set_column_dictionary_enabled(path.clone(), false).set_column_encoding(path, encoding);
            }
        }
        Ok(Self { file: SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties.build()))?, hashes: Vec::new() })
    }

    /// The next part.
    pub fn part(&mut self, events: &[Event]) -> Result<Bytes> {
        let mut group = self.file.next_row_group()?;
        for column in &COLUMNS {
            match column.kind {
                Kind::Uuid(get, _) => {
                    let value = |event| FixedLenByteArray::from(get(event).as_bytes().to_vec());
                    write::<FixedLenByteArrayType>(&mut group, events.iter().map(value))?;
                }
                Kind::Text(get, _) => write::<ByteArrayType>(&mut group, events.iter().map(|event| ByteArray::from(get(event))))?,
                Kind::Int(get, _) | Kind::Instant(get, _) => write::<Int64Type>(&mut group, events.iter().map(get))?,
            }
        }
        group.close()?;
        self.file.flush()?;
        // The file counts what was written by itself.
        let part = Bytes::from(std::mem::take(self.file.inner_mut()));
        self.hashes.push(hex::encode(sha256(&part)));
        Ok(part)
    }

    /// The end of the file.
    pub fn footer(mut self) -> Result<Bytes> {
        self.file.append_key_value_metadata(KeyValue::new(HASHES.into(), self.hashes.join(" ")));
        self.file.into_inner().map(Bytes::from)
    }
}

fn write<T: DataType>(group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, values: impl Iterator<Item = T::T>) -> Result<()> {
    let mut column = group.next_column()?.ok_or_else(|| wrong("a column too many"))?;
    column.typed::<T>().write_batch(&values.collect::<Vec<_>>(), None, None)?;
    column.close()
}

fn wrong(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

/// What the end of a file says of its parts.
#[derive(Debug)]
pub(super) struct Footer {
    file: ParquetMetaData,
    parts: Vec<Part>,
}

/// A part of a file.
#[derive(Debug)]
pub(super) struct Part {
    /// Where its bytes are: from the end of the one before it on, so that every byte is in one.
    pub bytes: Range<u64>,
    pub sha256: String,
    accounts: RangeInclusive<Uuid>,
    ids: RangeInclusive<Uuid>,
}

impl Part {
    /// Whether events of an account may be in it whose ids are within bounds.
    pub fn may_have(&self, account: AccountId, ids: &RangeInclusive<EventId>) -> bool {
        self.accounts.contains(&account.0) && *self.ids.start() <= ids.end().0 && ids.start().0 <= *self.ids.end()
    }
}

impl Footer {
    /// Reads what [`Writer::footer`] gave.
    pub fn read(footer: &Bytes) -> Result<Self> {
        let end = footer.len().checked_sub(TAIL).ok_or_else(|| wrong("no footer"))?;
        let length = (&footer[end..]).get_u32_le() as usize;
        let start = end.checked_sub(length).ok_or_else(|| wrong("a footer that is longer than it is"))?;
        let file = ParquetMetaDataReader::decode_metadata(&footer[start..end])?;
        let hashes = file.file_metadata().key_value_metadata().into_iter().flatten().find(|entry| entry.key == HASHES);
        let mut hashes = hashes.and_then(|entry| entry.value.as_deref()).unwrap_or_default().split_whitespace();
        let (mut parts, mut start) = (Vec::new(), 0);
        for group in file.row_groups() {
            let end = group.columns().iter().map(|column| column.byte_range()).map(|(start, length)| start + length).max();
            let end = end.filter(|end| *end > start).ok_or_else(|| wrong("a part without bytes"))?;
            let sha256 = hashes.next().ok_or_else(|| wrong("a part without its SHA-256"))?.to_owned();
            parts.push(Part { bytes: start..end, sha256, accounts: bounds(group, ACCOUNT)?, ids: bounds(group, ID)? });
            start = end;
        }
        Ok(Self { file, parts })
    }

    /// In the order of the file.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The events of a part, of one account when it is given, in the order of the file.
    pub fn decode(&self, part: usize, bytes: Bytes, of: Option<AccountId>) -> Result<Vec<Event>> {
        let group = self.file.row_group(part);
        let source = Arc::new(Source { start: self.parts[part].bytes.start, bytes });
        let all = 0..usize::try_from(group.num_rows())?;
        let rows = match of {
            None => all,
            Some(account) => {
                let accounts = read::<FixedLenByteArrayType>(&source, group, ACCOUNT, all)?;
                let before = |value: &FixedLenByteArray| value.data() < account.0.as_bytes().as_slice();
                let start = accounts.partition_point(before);
                start..start + accounts[start..].partition_point(|value| value.data() == account.0.as_bytes())
            }
        };
        let mut events = vec![blank(); rows.len()];
        for (index, Column { kind, .. }) in COLUMNS.iter().enumerate() {
            let events = events.iter_mut();
            match kind {
                Kind::Uuid(_, set) => {
                    for (event, value) in events.zip(read::<FixedLenByteArrayType>(&source, group, index, rows.clone())?) {
                        set(event, Uuid::from_slice(value.data()).map_err(|_| wrong("a UUID has 16 bytes"))?);
                    }
                }
                Kind::Text(_, set) => {
                    for (event, value) in events.zip(read::<ByteArrayType>(&source, group, index, rows.clone())?) {
                        set(event, value.as_utf8()?.to_owned());
                    }
                }
                Kind::Int(_, set) | Kind::Instant(_, set) => {
                    events.zip(read::<Int64Type>(&source, group, index, rows.clone())?).for_each(|(event, value)| set(event, value));
                }
            }
        }
        Ok(events)
    }
}

/// The smallest and the largest value of a column of UUIDs.
fn bounds(group: &RowGroupMetaData, column: usize) -> Result<RangeInclusive<Uuid>> {
    let statistics = group.column(column).statistics();
    let uuid = |bytes: Option<&[u8]>| bytes.and_then(|bytes| Uuid::from_slice(bytes).ok());
    let found = statistics.and_then(|known| Some(uuid(known.min_bytes_opt())?..=uuid(known.max_bytes_opt())?));
    found.ok_or_else(|| wrong("a part without bounds"))
}

/// Some rows of a column.
fn read<T: DataType>(source: &Arc<Source>, group: &RowGroupMetaData, column: usize, rows: Range<usize>) -> Result<Vec<T::T>> {
    let column = group.column(column);
    let pages = SerializedPageReader::new(source.clone(), column, usize::try_from(group.num_rows())?, None)?;
    let mut reader: ColumnReaderImpl<T> = GenericColumnReader::new(column.column_descr_ptr(), Box::new(pages));
    let mut values = Vec::with_capacity(rows.len());
    let skipped = reader.skip_records(rows.start)?;
    reader.read_records(rows.len(), None, None, &mut values)?;
    if (skipped, values.len()) == (rows.start, rows.len()) { Ok(values) } else { Err(wrong("a column is shorter than its part")) }
}

/// The bytes of one part, which stand somewhere in a file.
struct Source {
    start: u64,
    bytes: Bytes,
}

impl Source {
    fn from(&self, offset: u64) -> Result<Bytes> {
        let at = offset.checked_sub(self.start).and_then(|at| usize::try_from(at).ok()).filter(|at| *at <= self.bytes.len());
        at.map(|at| self.bytes.slice(at..)).ok_or_else(|| wrong("a page outside of its part"))
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Source {
    type T = buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        self.from(start).map(|bytes| bytes.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let rest = self.from(start)?;
        if length <= rest.len() { Ok(rest.slice(..length)) } else { Err(wrong("a page outside of its part")) }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use entity::ids::{KeyId, PeriodId, PriceId, RequestId};
    use entity::money::Nanos;
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn event()(
            ids in proptest::array::uniform6(any::<u128>()), account in 0u128..3, texts in proptest::array::uniform3(".{0,12}"),
            numbers in proptest::array::uniform5(any::<i64>()), at in -9_000_000_000_000_000i64..9_000_000_000_000_000,
        ) -> Event {
            let [id, key, period, price, request, _] = ids.map(Uuid::from_u128);
            let [task, model, model_version] = texts;
            let [quantity, quantity_before, amount, pixels, compute_us] = numbers;
            Event {
                id: EventId(id), account_id: AccountId(Uuid::from_u128(account)), key_id: KeyId(key), period_id: PeriodId(period),
                price_id: PriceId(price), task, model, model_version, request_id: RequestId(request), quantity, quantity_before,
                amount_nanos: Nanos(amount), pixels, compute_us, at: DateTime::from_timestamp_micros(at).unwrap(),
            }
        }
    }

    /// The bytes of the parts, and of the end.
    fn written(parts: &[Vec<Event>]) -> (Vec<Bytes>, Bytes) {
        let mut writer = Writer::new().unwrap();
        let bytes = parts.iter().map(|part| writer.part(part).unwrap()).collect();
        (bytes, writer.footer().unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
        #[test]
        fn what_was_written_is_read_whole_by_part_and_by_account(mut events in proptest::collection::vec(event(), 1..90), size in 1usize..40) {
            events.sort_by_key(|event| (event.account_id, event.id));
            let parts: Vec<_> = events.chunks(size).map(<[Event]>::to_vec).collect();
            let (bytes, footer) = written(&parts);
            prop_assert_eq!((&bytes, &footer), (&written(&parts).0, &written(&parts).1), "the same events are the same bytes");
            let known = Footer::read(&footer).unwrap();
            prop_assert_eq!(known.parts().len(), parts.len());
            let every = EventId(Uuid::nil())..=EventId(Uuid::max());
            let mut start = 0;
            for (index, part) in known.parts().iter().enumerate() {
                prop_assert_eq!(&part.bytes, &(start..start + bytes[index].len() as u64));
                prop_assert_eq!(&part.sha256, &hex::encode(sha256(&bytes[index])));
                prop_assert_eq!(&known.decode(index, bytes[index].clone(), None).unwrap(), &parts[index]);
                for account in (0..4).map(|number| AccountId(Uuid::from_u128(number))) {
                    let own: Vec<_> = parts[index].iter().filter(|event| event.account_id == account).cloned().collect();
                    prop_assert!(own.is_empty() || part.may_have(account, &every));
                    prop_assert_eq!(known.decode(index, bytes[index].clone(), Some(account)).unwrap(), own);
                }
                start = part.bytes.end;
            }
        }
    }

    #[test]
    fn a_month_without_events_is_a_file_without_parts() {
        let (parts, footer) = written(&[]);
        assert!(parts.is_empty() && Footer::read(&footer).unwrap().parts().is_empty());
    }

    #[test]
    fn a_footer_that_is_none_is_an_error_and_no_panic() {
        for bytes in [&b""[..], b"PAR1", b"\x00\x00\x00\x00PAR1", b"nonsense that is long enough"] {
            assert!(Footer::read(&Bytes::from_static(bytes)).is_err());
        }
    }
}
