//! The table as Apache Parquet.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};

use super::plan::replace;
use super::table::{Column, Table};
use crate::Failure;

/// Writes a table; columns of numbers may have nulls.
pub(super) fn write(table: &Table, path: &Path) -> Result<(), Failure> {
    let fields = table.columns().iter().map(|(name, column)| field(name, column));
    let fields = fields.collect::<Result<Vec<TypePtr>, _>>()?;
    let schema = Type::group_type_builder("sweep").with_fields(fields).build()?;
    let properties = WriterProperties::builder().build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for (_, column) in table.columns() {
        let mut into = group.next_column()?.expect("the schema has every column");
        match column {
            Column::Text(texts) => {
                let texts: Vec<ByteArray> = texts.iter().map(|t| t.as_str().into()).collect();
                into.typed::<ByteArrayType>().write_batch(&texts, None, None)?;
            }
            Column::Count(counts) => {
                into.typed::<Int64Type>().write_batch(counts, None, None)?;
            }
            Column::Number(numbers) => {
                let known: Vec<f64> = numbers.iter().copied().flatten().collect();
                // 1 where there is a value (Parquet format, nested encoding).
                let levels: Vec<i16> = numbers.iter().map(|n| i16::from(n.is_some())).collect();
                into.typed::<DoubleType>().write_batch(&known, Some(&levels), None)?;
            }
        }
        into.close()?;
    }
    group.close()?;
    Ok(replace(path, &writer.into_inner()?)?)
}

fn field(name: &str, column: &Column) -> Result<TypePtr, Failure> {
    let (physical, logical, repetition) = match column {
        Column::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String), Repetition::REQUIRED),
        Column::Count(_) => (Physical::INT64, None, Repetition::REQUIRED),
        Column::Number(_) => (Physical::DOUBLE, None, Repetition::OPTIONAL),
    };
    let field = Type::primitive_type_builder(name, physical)
        .with_logical_type(logical)
        .with_repetition(repetition)
        .build()?;
    Ok(Arc::new(field))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    use super::super::plan::Plan;
    use super::*;
    use crate::simulate::synthetic::simulations;

    #[test]
    fn what_is_written_is_read_again_with_its_types_and_nulls() {
        let axes = ["engine.lag=20s,30s", "resource_index=0.5,0.75", "seed=1..2"];
        let axes = axes.map(|text| text.parse().expect("well formed"));
        let plan = Plan::new("trace-overloaded", &[], axes.into()).expect("good");
        let mut result = simulations();
        result.runs[0].sessions[0].startup_s = None;
        let mut table = Table::default();
        table.add(&plan, &plan.cell(2), &result);
        // Of three sessions, one in each group, and all together: three layers each.
        assert_eq!(table.rows(), 12);
        let folder = tempfile::tempdir().expect("a folder");
        let (parquet, csv) = (folder.path().join("t.parquet"), folder.path().join("t.csv"));
        write(&table, &parquet).expect("it can be written");
        table.write_csv(&csv).expect("it can be written");

        let reader = SerializedFileReader::new(File::open(parquet).expect("written"));
        let reader = reader.expect("it is Parquet");
        let names: Vec<String> = table.columns().iter().map(|(name, _)| name.clone()).collect();
        let at = |name: &str| names.iter().position(|n| n == name).expect(name);
        let rows: Vec<_> =
            reader.get_row_iter(None).expect("rows").map(|r| r.expect("row")).collect();
        assert_eq!(rows.len(), 12);
        let free = &rows[3];
        assert_eq!(free.get_string(at("group")).expect("text"), "free-riders");
        assert_eq!(free.get_string(at("engine.lag")).expect("text"), "20s");
        assert_eq!(free.get_double(at("resource_index")).expect("a number"), 0.75);
        assert_eq!(free.get_long(at("due")).expect("a count"), 10_000);
        assert!((free.get_double(at("ratio")).expect("a number") - 0.2).abs() < 1e-12);
        assert!(free.get_double(at("startup_s")).is_err(), "null");
        assert_eq!(rows[6].get_double(at("startup_s")).expect("a number"), 1.5);

        let mut reader = csv::Reader::from_path(csv).expect("written");
        assert_eq!(reader.headers().expect("a head"), names);
        let rows: Vec<csv::StringRecord> = reader.records().map(|r| r.expect("a row")).collect();
        assert_eq!((rows.len(), &rows[3][at("startup_s")], &rows[3][at("ratio")]), (12, "", "0.2"));
        assert_eq!(&rows[3][at("seed")], "1", "what was run, in a column of its own");
    }
}
