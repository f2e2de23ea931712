//! Images that tests make, byte by byte.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

pub(super) fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// An archive that is made entry by entry, also of names that the library refuses to write.
#[derive(Default)]
pub(super) struct Layer {
    bytes: Vec<u8>,
}

impl Layer {
    fn entry(
        mut self,
        name: &str,
        kind: EntryType,
        mode: u32,
        ids: (u64, u64),
        link: &str,
        content: &[u8],
    ) -> Self {
        let mut header = Header::new_gnu();
        let raw = &mut header.as_old_mut().name;
        raw[..name.len()].copy_from_slice(name.as_bytes());
        let raw = &mut header.as_old_mut().linkname;
        raw[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(ids.0);
        header.set_gid(ids.1);
        header.set_mtime(1_700_000_000);
        header.set_size(content.len() as u64);
        if matches!(kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        }
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    pub(super) fn file(self, name: &str, mode: u32, ids: (u64, u64), content: &str) -> Self {
        self.entry(name, EntryType::Regular, mode, ids, "", content.as_bytes())
    }

    pub(super) fn folder(self, name: &str, mode: u32) -> Self {
        self.entry(name, EntryType::Directory, mode, (0, 0), "", &[])
    }

    pub(super) fn symlink(self, name: &str, leads_to: &str) -> Self {
        self.entry(name, EntryType::Symlink, 0o777, (0, 0), leads_to, &[])
    }

    pub(super) fn link(self, name: &str, leads_to: &str) -> Self {
        self.entry(name, EntryType::Link, 0o644, (0, 0), leads_to, &[])
    }

    pub(super) fn device(self, name: &str) -> Self {
        self.entry(name, EntryType::Char, 0o666, (0, 0), "", &[])
    }

    /// An extended attribute of the file that comes next.
    pub(super) fn attribute(self, name: &str, value: &str) -> Self {
        let mut record = format!(" SCHILY.xattr.{name}={value}\n");
        let mut length = record.len() + 1;
        while length.to_string().len() + record.len() != length {
            length = length.to_string().len() + record.len();
        }
        record.insert_str(0, &length.to_string());
        self.entry("pax", EntryType::XHeader, 0o644, (0, 0), "", record.as_bytes())
    }

    pub(super) fn done(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn zstandard(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// An image: its layers as they are stored, its configuration and its manifest.
pub(super) struct Image {
    pub(super) layers: Vec<Vec<u8>>,
    pub(super) config: Vec<u8>,
    pub(super) manifest: Vec<u8>,
}

impl Image {
    /// Of layers as they are packed and as they are stored.
    pub(super) fn of(layers: &[(Vec<u8>, Vec<u8>)]) -> Image {
        Image::with(layers, &json!({ "Entrypoint": ["/bin/entry"] }), architecture())
    }

    pub(super) fn with(layers: &[(Vec<u8>, Vec<u8>)], run: &Value, architecture: &str) -> Image {
        let contents: Vec<String> = layers.iter().map(|(plain, _)| digest(plain)).collect();
        let config = json!({
            "architecture": architecture, "os": "linux", "config": run,
            "rootfs": { "type": "layers", "diff_ids": contents },
        });
        let config = config.to_string().into_bytes();
        let described = |bytes: &[u8]| json!({ "digest": digest(bytes), "size": bytes.len() });
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": described(&config),
            "layers": layers.iter().map(|(_, stored)| described(stored)).collect::<Vec<_>>(),
        });
        let manifest = manifest.to_string().into_bytes();
        Image { layers: layers.iter().map(|(_, stored)| stored.clone()).collect(), config, manifest }
    }

    pub(super) fn digest(&self) -> String {
        digest(&self.manifest)
    }

    /// Everything that an index leads to.
    fn blobs(&self) -> Vec<(String, &[u8])> {
        let blobs = self.layers.iter().chain([&self.config, &self.manifest]);
        blobs.map(|blob| (digest(blob), blob.as_slice())).collect()
    }

    fn index(&self, name: &str) -> Vec<u8> {
        let manifest = json!({
            "mediaType": MANIFEST, "digest": self.digest(), "size": self.manifest.len(),
            "annotations": { "org.opencontainers.image.ref.name": name },
        });
        json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string().into_bytes()
    }

    pub(super) fn put_into_registry(
        &self,
        registry: &super::registry::Registry,
        repository: &str,
        tag: &str,
    ) {
        for (digest, blob) in self.blobs() {
            registry.blob(repository, &digest, blob);
        }
        for name in [tag, &self.digest()] {
            registry.manifest(repository, name, MANIFEST, &self.manifest);
        }
    }

    pub(super) fn write_layout(&self, folder: &Path) {
        std::fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        std::fs::write(folder.join("index.json"), self.index("x/made:1")).unwrap();
        for (digest, blob) in self.blobs() {
            std::fs::write(folder.join("blobs").join(digest.replace(':', "/")), blob).unwrap();
        }
    }

    /// A tar of the layout.
    pub(super) fn write_archive(&self, file: &Path) {
        let layout = tempfile::tempdir().unwrap();
        self.write_layout(layout.path());
        let mut archive = Builder::new(std::fs::File::create(file).unwrap());
        archive.append_dir_all(".", layout.path()).unwrap();
        archive.finish().unwrap();
    }

    /// As `docker save` wrote it before it knew layouts.
    pub(super) fn write_docker_archive(&self, file: &Path) {
        let mut archive = Builder::new(std::fs::File::create(file).unwrap());
        let mut add = |name: &str, content: &[u8]| {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, content).unwrap();
        };
        let config = format!("{}.json", digest(&self.config).replace("sha256:", ""));
        add(&config, &self.config);
        let mut names = Vec::new();
        for (at, layer) in self.layers.iter().enumerate() {
            let name = format!("{at}/layer.tar");
            add(&name, layer);
            names.push(name);
        }
        let manifest = json!([{ "Config": config, "RepoTags": ["x/made:1"], "Layers": names }]);
        add("manifest.json", manifest.to_string().as_bytes());
    }
}

pub(super) fn architecture() -> &'static str {
    if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" }
}
