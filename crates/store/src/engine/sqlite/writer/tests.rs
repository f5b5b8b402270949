//! Tests of the writer.

use std::time::Duration;

use super::{super::pace::ALONE, *};
use crate::{migrate, params};

fn big(positions: u32, bytes: usize) -> Batch {
    let mut batch = Batch::new();
    for part in 0..positions {
        let position = batch.position();
        batch.push(
            "INSERT INTO to_device_messages (device_num, position, part, content) VALUES (1, $1, $2, $3)",
            vec![position, i64::from(part).into(), "x".repeat(bytes).into()],
        );
    }
    batch
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_writes_where_they_are_and_who_waits_share_one_stream() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = super::super::connect(&folder.path().join("test.db")).unwrap();
    migrate::sqlite(&mut connection).unwrap();
    let writer = Arc::new(Writer::start(connection, Arc::default()).unwrap());
    let mut positions = Vec::new();
    for _ in 0..ALONE {
        positions.push(writer.write(big(1, 10)).await.unwrap().last().0);
    }
    writer.shared.pace.calm();
    assert!(writer.shared.pace.is_calm());
    let here = writer.shared.write_here(big(1, 10)).expect("nobody else writes");
    positions.push(here.unwrap().last().0);
    let mut companion = big(1, 10);
    companion.in_company();
    writer.shared.pace.calm();
    assert!(writer.shared.write_here(companion).is_err(), "it goes with those that come with it");
    // A guard that fails leaves nothing, and what comes next is written.
    let mut guarded = big(1, 10);
    guarded.guard("none", "UPDATE stream_head SET position = position WHERE id = $1", params![7_i64]);
    writer.shared.pace.calm();
    let refused = writer.shared.write_here(guarded).expect("nobody else writes");
    assert!(matches!(refused, Err(StoreError::Conflict("none"))), "{refused:?}");
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let writer = Arc::clone(&writer);
            tokio::spawn(async move {
                let mut positions = Vec::new();
                for index in 0..100 {
                    if (task + index) % 3 == 0 {
                        tokio::time::sleep(Duration::from_micros(700)).await;
                    }
                    if task == 0 {
                        writer.shared.pace.calm();
                    }
                    positions.push(writer.write(big(1, 10)).await.unwrap().last().0);
                }
                positions
            })
        })
        .collect();
    for task in tasks {
        positions.extend(task.await.unwrap());
    }
    positions.sort_unstable();
    assert_eq!(positions, (1..=i64::from(ALONE) + 801).collect::<Vec<_>>());
    writer.close().await;
    assert!(matches!(writer.write(big(1, 1)).await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn a_full_disk_costs_nothing_but_the_writes_that_did_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = super::super::connect(&folder.path().join("test.db")).unwrap();
    migrate::sqlite(&mut connection).unwrap();
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    connection.query_row(&format!("PRAGMA max_page_count = {}", pages + 40), [], |_| Ok(())).unwrap();
    let look = super::super::connect(&folder.path().join("test.db")).unwrap();
    let rows = || -> (i64, i64) {
        look.query_row("SELECT COUNT(*), COALESCE(MAX(position), 0) FROM to_device_messages", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap()
    };
    let writer = Writer::start(connection, Arc::default()).unwrap();
    assert_eq!(writer.write(big(1, 10)).await.unwrap().last().0, 1);
    for _ in 0..3 {
        let small = big(1, 10);
        let (full, alone) = tokio::join!(writer.write(big(3, 200_000)), writer.write(big(1, 300_000)));
        assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
        assert!(matches!(alone, Err(StoreError::Full(_))), "{alone:?}");
        let before = rows().1;
        assert_eq!(writer.write(small).await.unwrap().last().0, before + 1);
        assert_eq!(rows(), (before + 1, before + 1));
        assert_eq!(read_head(&look).unwrap(), before + 1);
    }
    // Room again: what did not fit goes in now.
    let mut batch = Batch::new();
    batch.push("DELETE FROM to_device_messages WHERE position > $1", params![1_i64]);
    writer.write(batch).await.unwrap();
    let head = read_head(&look).unwrap();
    assert_eq!(writer.write(big(2, 10_000)).await.unwrap().last().0, head + 2);
    writer.close().await;
    assert!(matches!(writer.write(big(1, 1)).await, Err(StoreError::Closed)));
}
