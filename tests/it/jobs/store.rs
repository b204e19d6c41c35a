//! Objects in a folder and in memory behave alike; a bucket is configured without being asked.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use entity::ids::{AccountId, JobId};
use lensmeter::inference::store::{Store, What};
use lensmeter::platform::config::Storage;
use lensmeter::platform::objects;
use object_store::memory::InMemory;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("objects").join(uuid::Uuid::now_v7().to_string())
}

async fn keeps_what_it_is_given(store: Store) {
    let (account, job) = (AccountId::new(), JobId::new());
    let get = async |what| store.get(what, account, job).await.unwrap();
    assert_eq!(get(What::Input).await, None);
    store.delete(What::Input, account, job).await.unwrap();
    store.put(What::Input, account, job, Bytes::from_static(b"first")).await.unwrap();
    store.put(What::Input, account, job, Bytes::from_static(b"second")).await.unwrap();
    store.put(What::Result, account, job, Bytes::from_static(b"{}")).await.unwrap();
    assert_eq!((get(What::Input).await.as_deref(), get(What::Result).await.as_deref()), (Some(&b"second"[..]), Some(&b"{}"[..])));
    let soon = lensmeter::platform::clock::Clock::System.now() + chrono::TimeDelta::minutes(1);
    assert_eq!(store.inputs_before(soon).await.unwrap(), [(account, job)], "results are not inputs");
    store.delete(What::Input, account, job).await.unwrap();
    assert_eq!((get(What::Input).await, store.inputs_before(soon).await.unwrap()), (None, vec![]));
}

#[tokio::test]
async fn memory_and_a_folder_keep_what_they_are_given() {
    keeps_what_it_is_given(Store::over(Arc::new(InMemory::new()))).await;
    let folder = folder();
    keeps_what_it_is_given(Store::over(objects::open(&Storage { folder: folder.clone(), ..Storage::default() }).unwrap())).await;
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700, "customers' images are for our own eyes");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named_with_its_key() {
    let folder = PathBuf::from("/proc/nowhere");
    let error = objects::open(&Storage { folder, ..Storage::default() }).unwrap_err().to_string();
    assert!(error.contains("LENSMETER_STORAGE") && error.contains("/proc/nowhere"), "{error}");
}

#[tokio::test]
async fn a_bucket_needs_no_folder_and_a_dead_one_is_an_error() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let storage = Storage {
        folder: "/proc/nowhere".into(),
        bucket: Some("images".into()),
        endpoint: Some("http://127.0.0.1:9".into()),
        access_key_id: Some("id".into()),
        secret_access_key: Some("secret".into()),
        ..Storage::default()
    };
    let store = Store::over(objects::open(&storage).unwrap());
    let asked = tokio::time::timeout(std::time::Duration::from_millis(300), store.get(What::Input, AccountId::new(), JobId::new())).await;
    assert!(!matches!(asked, Ok(Ok(_))), "nobody answers there");
}
